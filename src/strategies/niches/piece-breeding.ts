import type { Domain, Genome, PieceGeometry } from '../../candidate.ts'
import type { Rng } from '../../rng.ts'
import { combine, innerProduct, type Piecewise, readPieces, writePieces } from '../../space/piecewise.ts'
import { type Breeding, type Crossover, crossoverFactors } from './genome-breeding.ts'
import { angle } from './slerp.ts'

/**
 * Children of models, at the level of recipes: a child of two piecewise combinations of sources is one again, with one breakpoint more, and the
 * angle between the parents follows from the Gram matrices of the sources. What the authors do with whole weight vectors is done here
 * without touching a weight.
 *
 * Mutation adds N(0, s²) to every weight of every piece, s ~ U(0, `mutation`) for each child.
 */
export class PieceBreeding implements Breeding {
  readonly #domain: Domain
  readonly #geometry: PieceGeometry
  readonly #crossover: Crossover
  readonly #mutation: number

  constructor(domain: Domain, geometry: PieceGeometry, crossover: Crossover, mutation: number) {
    this.#domain = domain
    this.#geometry = geometry
    this.#crossover = crossover
    this.#mutation = mutation
  }

  child(x: Genome, y: Genome, rng: Rng): Genome {
    const [a, b] = [readPieces(x, this.#geometry), readPieces(y, this.#geometry)]
    const crossed = this.#crossover === 'none' ? a : this.#cross(a, b, this.#crossover, rng)
    const s = this.#mutation * rng.uniform()
    const weights = s === 0 ? crossed.weights : crossed.weights.map(row => row.map(w => w + s * rng.normal()))
    return writePieces({ ends: crossed.ends, weights }, this.#domain, this.#geometry)
  }

  #cross(a: Piecewise, b: Piecewise, crossover: Exclude<Crossover, 'none'>, rng: Rng): Piecewise {
    const geometry = this.#geometry
    const Ω = angle(innerProduct(a, a, geometry), innerProduct(a, b, geometry), innerProduct(b, b, geometry))
    const { before, after } = crossoverFactors(crossover, Ω, rng)
    return combine(a, b, rng.integer(0, geometry.cells), before, after)
  }
}
