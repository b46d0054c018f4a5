import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll } from 'vitest'
import { createEvaluator, evaluatorReference } from '../../src/evaluation/registry.ts'
import { describeEvaluator } from '../contracts/evaluator-contract.ts'
import { csv, mlpGraph, randomModel, rows, tensor, WIDTHS, writeSmallEvaluator } from './onnx-fixture.ts'

const folders: string[] = []
afterAll(() => Promise.all(folders.map(folder => rm(folder, { recursive: true }))))

const EXAMPLES = rows(240, 2)

for (const [weights, threads] of [
  ['inputs', 1],
  ['initializers', 1],
  ['inputs', 3],
  ['auto', 'auto'],
]) {
  for (const batch of [7, 256]) {
    describeEvaluator(`onnx, weights as ${weights}, ${threads} threads, batches of ${batch}`, async () => {
      const folder = await mkdtemp(join(tmpdir(), 'amalgam-onnx-contract-'))
      folders.push(folder)
      const document = {
        ...(await writeSmallEvaluator(folder, {
          graph: mlpGraph(randomModel(1), WIDTHS, { batch: batch === 7 ? 7 : 'batch' }), // 7: fixed by the graph
          data: csv(EXAMPLES),
        })),
        weights,
        threads,
        batch_size: batch,
        objectives: [
          { task: 'low', metric: 'accuracy' },
          { task: 'low', metric: 'negative_log_likelihood' },
        ],
      }
      const chance = randomModel(0)
      for (const { data } of chance.tensors.values()) data.fill(0)
      return {
        create: () => createEvaluator(evaluatorReference(document, folder, 'small.yaml')),
        model: seed => randomModel(seed),
        means: [0, 1],
        chance: {
          model: chance,
          values: split => {
            const own = EXAMPLES.filter(row => row.split === split)
            // All logits equal: the tie goes to class 0, and the likelihood is that of a guess.
            return [own.filter(({ label }) => label === 0).length / own.length, Math.log(3)]
          },
        },
        separating: { model: separatingModel(), objective: 1 },
      }
    })
  }
}

/** Small weights keep likelihoods away from 0, where different examples would round to the same float32. */
function separatingModel(): ReturnType<typeof randomModel> {
  const { tensors } = randomModel(11)
  return {
    tensors: new Map(
      [...tensors].map(([name, { shape, data }]) => [
        name,
        tensor(
          shape,
          data.map(x => x / 8),
        ),
      ]),
    ),
  }
}
