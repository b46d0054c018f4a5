import type { Executor } from '../../src/executors/executor.ts'

/** Values on the holdout of the models merged by weight, one per objective. @throws {Error} where the candidate failed */
export async function holdoutValues(
  executor: Executor,
  weights: Readonly<Record<string, number>>,
): Promise<readonly number[]> {
  const evaluation = await executor.submit({
    label: 'test',
    split: 'holdout',
    recipe: {
      kind: 'parameter-merge',
      method: 'linear',
      base: undefined,
      sources: Object.keys(weights),
      parameters: { normalize: true },
      groups: [
        {
          layers: 'all',
          coefficients: Object.fromEntries(Object.entries(weights).map(([id, weight]) => [id, { weight }])),
        },
      ],
    },
  })
  if (evaluation.status === 'failed') throw new Error(evaluation.reason)
  return evaluation.values
}
