import { join } from 'node:path'
import { expect, it } from 'vitest'
import { writeSafetensors } from '../../src/formats/write-file.ts'
import { createMerger } from '../../src/merge/merge.ts'
import { findOperator } from '../../src/merge/operators/registry.ts'
import { loadSharedSources } from '../../src/merge/sources.ts'
import type { ParameterMerge } from '../../src/space/recipe.ts'
import { saveModels, temporaryFolders, tensor } from './fixture.ts'
import { A, B, C, fingerprint, SHAPE } from './operators/fixture.ts'
import { ROWS, type Row } from './operators/golden-rows.ts'

const newFolder = temporaryFolders()

/** A golden row as a candidate: float32 sources, merged by the kernels. The inputs are exact in float32. */
function merged([, operator, given]: Row): Float64Array {
  const models = given.models ?? [A, B, C]
  const ids = models.map((_, m) => `model-${m}`)
  const vectors = given.base === undefined ? models : [given.base, ...models]
  const names = given.base === undefined ? ids : ['base', ...ids]
  const folder = newFolder()
  const references = saveModels(
    folder,
    Object.fromEntries(vectors.map((values, k) => [names[k]!, { w: tensor(values, SHAPE) }])),
  )
  for (const [m, G] of (given.statistics ?? []).entries()) {
    const statistics = join(folder, `${ids[m]}-statistics.safetensors`)
    writeSafetensors(statistics, [['w.gram', { dtype: 'F64', shape: [6, 6], data: new Uint8Array(G.buffer) }]])
    references[m] = { ...references[m]!, statistics }
  }
  const coefficients = Object.fromEntries(
    ids.map((id, m) => [
      id,
      Object.fromEntries(
        findOperator(operator).coefficients.map(({ name, default: fallback }) => [
          name,
          given.coefficients?.[name]?.[m] ?? fallback!,
        ]),
      ),
    ]),
  )
  const recipe: ParameterMerge = {
    kind: 'parameter-merge',
    method: operator,
    base: given.base === undefined ? undefined : 'base',
    sources: ids,
    parameters: given.parameters ?? {},
    groups: [{ layers: 'all', coefficients }],
  }
  const merger = createMerger(loadSharedSources(references, { threads: 1 }), 0)
  return Float64Array.from(merger.merge(recipe).tensors.get('w')!.data)
}

it.each(ROWS)('%s: candidates in float32 have the golden row', (...row) => {
  const out = merged(row)
  const found = fingerprint(out)
  // Each sum within float32 rounding of its terms.
  const size = out.reduce((sum, value) => sum + Math.abs(value), 0)
  const weighted = out.reduce((sum, value, i) => sum + (i + 1) * Math.abs(value), 0)
  const limits = [size, weighted, size, 2, 2].map(scale => 2e-6 * scale)
  row[3].forEach((expected, i) => {
    expect(Math.abs(found[i]! - expected), `column ${i}: ${found[i]} for ${expected}`).toBeLessThanOrEqual(limits[i]!)
  })
})
