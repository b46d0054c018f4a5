import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createEvaluator, EVALUATORS, evaluatorReference } from '../../src/evaluation/registry.ts'
import { rejectionOf } from '../helpers/thrown.ts'

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'amalgam-module-'))
})
afterAll(() => rm(folder, { recursive: true }))

/** Writes a module whose createEvaluator has this body, and makes the evaluator. */
async function make(body: string, name = `m${modules++}.mjs`) {
  await writeFile(join(folder, name), body)
  const document = { kind: 'module', id: 'own', path: name, options: { size: 3 } }
  return createEvaluator(evaluatorReference(document, folder, 'own.yaml'))
}
let modules = 0

const PARTS = `objectives: [{ name: 'a', direction: 'minimize', unit: '1', reference: 1 }], digest: 'd', inputs: {}`

describe('the module evaluator', () => {
  it('hands id and options to the module and uses what it returns', async () => {
    const evaluator = await make(
      `export const createEvaluator = async (id, options) => ({ id, ${PARTS},
        open: async () => ({ exampleCount: () => [options.size], close: async () => {} }) })`,
    )
    expect(evaluator.id).toBe('own')
    expect((await evaluator.open()).exampleCount('search')).toEqual([3])
  })

  it.each([
    ['nothing', `export const createEvaluator = () => undefined`, 'it returned undefined'],
    [
      'another id',
      `export const createEvaluator = () => ({ id: 'x', ${PARTS}, open() {} })`,
      'its id is "x" instead of "own"',
    ],
    ['no objectives', `export const createEvaluator = id => ({ id, objectives: [] })`, 'it has no objectives'],
    ['no open()', `export const createEvaluator = id => ({ id, ${PARTS} })`, 'it has no open()'],
  ])('refuses a module that returns %s', async (_, body, problem) => {
    expect((await rejectionOf(make(body))).replaceAll(`${folder}/`, '')).toMatch(
      new RegExp(
        `^EvaluatorError: createEvaluator of "m\\d+\\.mjs" must return an evaluator, but ${problem.replace('()', '\\(\\)')}\\.$`,
      ),
    )
  })

  it('refuses a module without the export', async () => {
    expect(await rejectionOf(make('export const other = 1', 'plain.mjs'))).toBe(
      `EvaluatorError: The evaluator module "${folder}/plain.mjs" must export a function createEvaluator; it exports "other".`,
    )
  })

  it('says why a module cannot be loaded', async () => {
    expect(await rejectionOf(make('throw new Error("no luck")', 'broken.mjs'))).toBe(
      `EvaluatorError: The evaluator module "${folder}/broken.mjs" cannot be loaded: no luck`,
    )
  })
})

describe('the registry', () => {
  it('describes every kind in one sentence and by a schema that editors can use', () => {
    expect([...EVALUATORS.keys()]).toEqual(['onnx', 'command', 'http', 'module'])
    for (const { summary } of EVALUATORS.values()) expect(summary).toMatch(/^[A-Z].*\.$/)
  })

  it('does not load the runtime before a session is opened', async () => {
    const loaded = process.report.getReport() as { sharedObjects: readonly string[] }
    expect(loaded.sharedObjects.some(path => path.includes('onnxruntime'))).toBe(false)
  })
})
