// The same evolution from trained networks, at the level of recipes: the strategy itself over a space of pieces. No weight reaches it.
import { createRng } from '../../dist/rng.js'
import { createSearchSpace } from '../../dist/space/build-space.js'
import { genomeSchema } from '../../dist/space/genome-config.js'
import { cellEnds, createPieceLine, positionOf } from '../../dist/space/piece-line.js'
import { m2n2 } from '../../dist/strategies/niches/m2n2.js'
import { ARCHIVE, Curve } from './niches-dense.mjs'
import { mean, PARAMETERS, PARTS } from './niches-digits.mjs'

const IDS = ['low', 'high']
const TENSORS = PARTS.map(([name, shape]) => ({ name, elements: shape.reduce((product, n) => product * n, 1) }))
const OBJECTIVES = [{ name: 'accuracy', direction: 'maximize', unit: 'accuracy, 0..1', reference: 0, ideal: 1 }]

/** The space over two networks, with the inner products that a run would record. */
function pieceSpace(networks, max) {
  const line = createPieceLine(TENSORS)
  const ends = cellEnds(line, true)
  const products = new Float32Array(ends.length * 3)
  for (const [cell, end] of ends.entries()) {
    const sums = [0, 0, 0]
    for (let e = ends[cell - 1] ?? 0; e < end; e++) {
      const [x, y] = [networks[0][e], networks[1][e]]
      sums[0] += x * x
      sums[1] += x * y
      sums[2] += y * y
    }
    products.set(sums, 3 * cell)
  }
  const config = genomeSchema.parse({ merge_method: 'linear', pieces: { max } })
  const elements = TENSORS.map(tensor => tensor.elements)
  const names = TENSORS.map(({ name }) => name)
  return { line, space: createSearchSpace(config, names, IDS, undefined, { elements, products }) }
}

/** What a recipe of pieces means, on the flat vector, whose order is that of the line. */
function merge(recipe, line, networks) {
  const starts = recipe.pieces.map(({ from }) => positionOf(line, from))
  const flat = new Float32Array(PARAMETERS)
  for (const [k, { weights }] of recipe.pieces.entries()) {
    const [p, q] = IDS.map(id => weights[id])
    for (let e = starts[k]; e < (starts[k + 1] ?? PARAMETERS); e++) flat[e] = p * networks[0][e] + q * networks[1][e]
  }
  return flat
}

/** @param pieces most pieces of a child */
export async function runPieces(networks, scores, { passes, seed, pieces }) {
  const { line, space } = pieceSpace(networks, pieces)
  // As the authors do, from the two networks alone: their average is not among the first members.
  const domain = { ...space, initial: space.anchors[0] }
  const options = m2n2.options.parse({ archive_size: ARCHIVE })
  const strategy = m2n2.create({ domain, objectives: OBJECTIVES, rng: createRng(seed), budget: passes }, options)
  const curve = new Curve(passes, scores.test)
  let best = { accuracy: -1 }
  for (let id = 0; id < IDS.length + passes; id++) {
    const [{ genome, parents = [] }] = strategy.ask(1)
    const weights = merge(space.decode(genome), line, networks)
    const right = await scores.train(weights)
    const accuracy = mean(right)
    if (accuracy > best.accuracy) best = { weights, accuracy }
    const exampleScores = [Float32Array.from(right)]
    strategy.tell([{ id, genome, parents, memo: null, losses: [-accuracy], exampleScores }])
    if (id >= IDS.length) await curve.note(id - IDS.length + 1, best)
  }
  return curve
}
