import { createHash } from 'node:crypto'
import type { Gene, Genome } from '../candidate.ts'
import { GenomeError, show } from '../errors.ts'
import { encodeRecipe } from './encode.ts'
import { type GenomeConfig, genomeProblems } from './genome-config.ts'
import { keyError, layOut, type SpaceLayout } from './layout.ts'
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
 * @throws {ConfigError} naming the key, where the section does not fit the tensors.
 */
export function createSearchSpace(
  config: GenomeConfig,
  tensorNames: readonly string[],
  sourceIds: readonly string[],
  baseId: string | undefined,
): SearchSpace {
  const problem = genomeProblems(config, sourceIds, baseId)[0]
  if (problem) throw keyError(problem.path, problem.message)
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
    decode: genome => decodeGenome(layout, genome),
    encode: recipe => encodeRecipe(layout, recipe),
  }
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

/** @throws {GenomeError} on a wrong shape, a value that is not finite, out of bounds, or a fraction where whole numbers are needed. */
function checkGenome(genes: readonly Gene[], genome: Genome): void {
  if (genome.length !== genes.length) {
    throw new GenomeError(`Expected a genome of shape (${genes.length},), got (${genome.length},).`)
  }
  genes.forEach((gene, i) => {
    const value = genome[i]!
    const [low, high] = gene.kind === 'categorical' ? [0, gene.choices.length - 1] : [gene.low, gene.high]
    if (!(value >= low && value <= high)) {
      throw new GenomeError(`Expected gene ${show(gene.name)} to lie in [${low}, ${high}], got ${value}.`)
    }
    if (gene.kind !== 'real' && !Number.isInteger(value)) {
      throw new GenomeError(`Expected gene ${show(gene.name)} to be a whole number, got ${value}.`)
    }
  })
}
