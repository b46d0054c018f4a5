import { createHash } from 'node:crypto'
import type { Genome } from '../candidate.ts'
import { decodeGenome } from './decode.ts'
import { encodeRecipe } from './encode.ts'
import type { GenomeConfig } from './genome-config.ts'
import { genomeProblems } from './genome-problems.ts'
import { layOut, type SpaceLayout } from './layout.ts'
import { keyError } from './parts.ts'
import { createPieceSpace, type PieceFacts } from './piece-space.ts'
import { canonicalJson } from './recipe.ts'
import type { SearchSpace } from './search-space.ts'

/**
 * The search space of a `genome:` section over the tensors of its models.
 *
 * Genes are named group / source / parameter: `layers.0-3/low/weight`, with a filter `layers.0-3:attn/low/weight` (`*` is the rest),
 * control points `gradient.0/low/weight`, shared genes `shared.NAME/weight`. Parameters of the method are `layers.0-3/t` or, for the whole
 * model, `lambda`; choices of the method `layers.0-3/method` or `method`; switches of the models `subset/low`.
 *
 * @param tensorNames names of all tensors that are merged (those of the base, or of any source).
 * @param sourceIds ids of the merged models, in order, without the base.
 * @param pieceFacts needed where the section says `pieces`: see `createPieceSpace`.
 * @throws {ConfigError} naming the key, where the section does not fit the tensors.
 */
export function createSearchSpace(
  config: GenomeConfig,
  tensorNames: readonly string[],
  sourceIds: readonly string[],
  baseId: string | undefined,
  pieceFacts?: PieceFacts,
): SearchSpace {
  const problem = genomeProblems(config, sourceIds, baseId)[0]
  if (problem) throw keyError(problem.path, problem.message)
  const { pieces } = config
  if (pieces !== undefined) return createPieceSpace({ ...config, pieces }, tensorNames, sourceIds, pieceFacts)
  const layout = layOut(config, tensorNames, sourceIds, baseId)
  const initial = Float64Array.from(layout.genes, gene => gene.initial)
  const { index, position, methods, ...described } = layout
  const id = createHash('sha256')
    .update(
      canonicalJson({
        ...described,
        methods: methods.map(({ name }) => name),
        parameters: [...layout.parameters],
        groups: layout.groups.map(group => ({
          ...group,
          parameters: [...group.parameters],
          coefficients: [...group.coefficients].map(([source, values]) => [source, [...values]]),
        })),
      }),
    )
    .digest('hex')
    .slice(0, 16)
  return {
    id,
    genes: layout.genes,
    initial,
    anchors: layout.sources.map(source => sourceAlone(layout, source)),
    decode: genome => decodeGenome(layout, genome),
    encode: recipe => encodeRecipe(layout, recipe),
  }
}

/** A weight of 1 for one source and 0 for the others, as near as the bounds allow. */
function sourceAlone(layout: SpaceLayout, source: string): Genome {
  const genome = Float64Array.from(layout.genes, gene => gene.initial)
  const hold = (name: string, value: number): void => {
    const i = layout.position.get(name)!
    const gene = layout.genes[i]!
    if (gene.kind === 'real') genome[i] = Math.min(gene.high, Math.max(gene.low, value))
  }
  const weights = layout.groups.flatMap(group =>
    [...group.coefficients].map(([id, values]) => ({ id, terms: values.get('weight')?.terms ?? [] })),
  )
  for (const { id, terms } of weights) if (id !== source) for (const { gene } of terms) hold(gene, 0)
  for (const { id, terms } of weights) if (id === source) for (const { gene } of terms) hold(gene, 1)
  for (const { parameters } of [layout, ...layout.groups]) {
    const lambda = parameters.get('lambda')
    if (lambda !== undefined && 'affine' in lambda) for (const { gene } of lambda.affine.terms) hold(gene, 1)
  }
  return genome
}
