import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll } from 'vitest'
import { AmalgamError } from '../../src/errors.ts'
import { dtypeBytes, encodeFloat32, type WeightDtype } from '../../src/formats/dtype.ts'
import { type TensorData, writeSafetensors } from '../../src/formats/write-file.ts'
import type { MergedModel, SourceReference } from '../../src/merge/model.ts'
import type { ParameterMerge, RecipeGroup } from '../../src/space/recipe.ts'

/**
 * Portable test numbers, exact in float32: a Lehmer generator, multiplier 16807 modulo 2^31 - 1, sixteen steps to warm up, then each state
 * x gives ((x mod 2001) - 1000) / 512.
 */
export function gen(seed: number, count: number): Float64Array {
  let x = seed
  const step = () => {
    x = (x * 16807) % 2147483647
  }
  for (let i = 0; i < 16; i++) step()
  return Float64Array.from({ length: count }, () => {
    step()
    return ((x % 2001) - 1000) / 512
  })
}

/** A folder that is removed after the tests of the file; `next()` makes a fresh one in it. */
export function temporaryFolders(): () => string {
  const root = mkdtempSync(join(tmpdir(), 'amalgam-merge-'))
  afterAll(() => rmSync(root, { recursive: true, force: true }))
  let count = 0
  return () => {
    const folder = join(root, String(count++))
    mkdirSync(folder)
    return folder
  }
}

export function tensor(
  values: ArrayLike<number>,
  shape: readonly number[] = [values.length],
  dtype: WeightDtype = 'F32',
): TensorData {
  const data = new Uint8Array(values.length * dtypeBytes(dtype))
  encodeFloat32(Float32Array.from(values), dtype, data)
  return { dtype, shape, data }
}

export type Model = Readonly<Record<string, TensorData>>

/** Writes each model as `<folder>/<id>.safetensors`. */
export function saveModels(folder: string, models: Readonly<Record<string, Model>>): SourceReference[] {
  return Object.entries(models).map(([id, tensors]) => {
    const path = join(folder, `${id}.safetensors`)
    writeSafetensors(path, Object.entries(tensors))
    return { id, path }
  })
}

/** One number per source as `weight`, for all tensors. */
export function group(weights: Readonly<Record<string, number>>, rest: Partial<RecipeGroup> = {}): RecipeGroup {
  const coefficients = Object.fromEntries(Object.entries(weights).map(([id, weight]) => [id, { weight }]))
  return { layers: 'all', coefficients, ...rest }
}

export function linearRecipe(
  weights: Readonly<Record<string, number>>,
  parameters: ParameterMerge['parameters'] = {},
): ParameterMerge {
  return {
    kind: 'parameter-merge',
    method: 'linear',
    base: undefined,
    sources: Object.keys(weights),
    parameters,
    groups: [group(weights)],
  }
}

export function taskArithmeticRecipe(
  base: string,
  weights: Readonly<Record<string, number>>,
  parameters: ParameterMerge['parameters'] = {},
): ParameterMerge {
  return { ...linearRecipe(weights, parameters), method: 'task_arithmetic', base }
}

export const bits = (values: Float32Array): Uint32Array =>
  new Uint32Array(values.buffer.slice(values.byteOffset, values.byteOffset + values.byteLength))

/** A copy that the next merge does not change. */
export function copyOf(model: MergedModel): Map<string, Float32Array> {
  return new Map([...model.tensors].map(([name, { data }]) => [name, data.slice()]))
}

export function failure(work: () => unknown): AmalgamError {
  try {
    work()
  } catch (error) {
    if (error instanceof AmalgamError) return error
    throw error
  }
  throw new Error('nothing was thrown')
}

export async function rejection(work: Promise<unknown>): Promise<AmalgamError> {
  return work.then(
    () => Promise.reject(new Error('nothing was thrown')),
    error => (error instanceof AmalgamError ? error : Promise.reject(error)),
  )
}
