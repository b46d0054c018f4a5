import type { ResolvedConfig } from './config/resolved.ts'
import { cellProducts } from './merge/cell-products.ts'
import { requireStatistics, type SourceInspection } from './merge/sources.ts'
import type { RecordedConfig } from './run-config.ts'
import { methodNames } from './space/genome-config.ts'
import { methodsWithStatistics } from './space/methods.ts'
import { cellEnds, createPieceLine } from './space/piece-line.ts'

/**
 * The config with what its search space has to know of the models, so that nobody needs them again to decode a genome.
 * @param weights whether the weights may be read, which a space of pieces needs for the angles between models; without them it can be
 *   looked at and not searched.
 * @throws {ConfigError | MergeError} where statistics are missing that a method of the space needs
 */
export function recordOf(
  config: ResolvedConfig,
  inspection: SourceInspection,
  { weights }: { readonly weights: boolean },
): RecordedConfig {
  requireStatistics(inspection, methodsWithStatistics(methodNames(config.genome)), config.models)
  const tensors = inspection.weights.map(tensor => tensor.name)
  const { pieces } = config.genome
  if (pieces === undefined) return { resolved: config, tensors }
  const line = createPieceLine(inspection.weights)
  const ends = cellEnds(line, pieces.inside_tensors)
  const models = config.models.map(id => config.sources.find(source => source.id === id)!)
  const products = weights
    ? cellProducts(models, line, ends)
    : new Float32Array((ends.length * models.length * (models.length + 1)) / 2)
  return {
    resolved: config,
    tensors,
    pieces: { elements: inspection.weights.map(({ elements }) => elements), products },
  }
}
