import { createHash } from 'node:crypto'
import type { Genome } from '../candidate.ts'
import { checkGenome } from './check-genome.ts'
import { encodeRecipe } from './encode.ts'
import { type GenomeConfig, genomeProblems } from './genome-config.ts'
import { keyError, layOut, type SpaceLayout } from './layout.ts'
import { createPieceSpace, type PieceFacts } from './piece-space.ts'
import { canonicalJson, type Recipe } from './recipe.ts'
import type { SearchSpace } from './search-space.ts'
import { searchableMethod } from './searchable-methods.ts'

/**
 * The search space of a `genome:` section over the tensors of its models.
 *
 * Genes are named group / source / parameter: `layers.0-3/low/weight`, with a filter `layers.0-3:attn/low/weight` (`*` is the rest),
 * control points `gradient.0/low/weight`, shared genes `shared.NAME/weight`, and the global genes `method` and `lambda`.
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
  const { index, ...described } = layout
  const id = createHash('sha256')
    .update(
      canonicalJson({
        ...described,
        position: undefined,
        groups: layout.groups.map(g => ({ ...g, weights: [...g.weights] })),
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
  const weights = layout.groups.flatMap(group => [...group.weights])
  for (const [id, { terms }] of weights) if (id !== source) for (const { gene } of terms) hold(gene, 0)
  for (const [id, { terms }] of weights) if (id === source) for (const { gene } of terms) hold(gene, 1)
  if (layout.lambda === 'gene') hold('lambda', 1)
  return genome
}

function decodeGenome(layout: SpaceLayout, genome: Genome): Recipe {
  checkGenome(layout.genes, genome)
  const valueIn = (gene: string) => genome[layout.position.get(gene)!]!
  const method = searchableMethod(layout.methods[layout.methods.length > 1 ? valueIn('method') : 0]!)!
  const lambda = method.hasLambda ? { lambda: layout.lambda === 'gene' ? valueIn('lambda') : layout.lambda } : {}
  return {
    kind: 'parameter-merge',
    method: method.name,
    base: method.needsBase ? layout.base : undefined,
    sources: layout.sources,
    parameters: { normalize: layout.normalize ?? method.normalize, ...lambda },
    groups: layout.groups.map(group => ({
      layers: group.layers,
      ...(group.filter === undefined ? {} : { filter: group.filter }),
      coefficients: Object.fromEntries(
        layout.sources.map(source => {
          const { constant, terms } = group.weights.get(source)!
          return [source, { weight: terms.reduce((sum, term) => sum + term.factor * valueIn(term.gene), constant) }]
        }),
      ),
    })),
  }
}
