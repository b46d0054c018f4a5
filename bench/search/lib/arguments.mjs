// The options that every command shares.
import { parseArgs } from 'node:util'

/** '3' or '0:21' → [3] or [0, …, 20]. */
export function range(text) {
  const [first, end] = text.split(':').map(Number)
  return Array.from({ length: end === undefined ? 1 : end - first }, (_, i) => first + i)
}

const list = text => text?.split(',')

/**
 * --strategy kind[,kind…]  --options '{json}'  --label name  --seeds 0:21  --problems a,b  --dimensions 5,10  --budget n  --fresh
 * @param {{ strategies: string[], seeds: string }} defaults
 */
export function searchArguments(defaults) {
  const { values } = parseArgs({
    options: {
      strategy: { type: 'string' },
      options: { type: 'string', default: '{}' },
      label: { type: 'string' },
      seeds: { type: 'string', default: defaults.seeds },
      problems: { type: 'string' },
      dimensions: { type: 'string' },
      budget: { type: 'string' },
      fresh: { type: 'boolean', default: false },
    },
  })
  const kinds = list(values.strategy) ?? defaults.strategies
  if (values.label !== undefined && kinds.length > 1) throw new RangeError('Expected one --strategy with --label.')
  const options = JSON.parse(values.options)
  return {
    solvers: kinds.map(kind => ({ kind, options, label: values.label ?? `amalgam-${kind}` })),
    seeds: range(values.seeds),
    problems: list(values.problems),
    dimensions: list(values.dimensions)?.map(Number),
    budget: values.budget === undefined ? undefined : Number(values.budget),
    fresh: values.fresh,
  }
}

export const settingsOf = options => (Object.keys(options).length === 0 ? 'defaults' : JSON.stringify(options))
