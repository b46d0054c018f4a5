import { mlMatrix } from '../../numerics/ml-matrix.ts'
import { requireFiniteResult } from './apply.ts'
import type { MergeOperator } from './operator.ts'
import { asMatrix, asVector } from './spectral.ts'
import { combination } from './vectors.ts'
import { independentWindows } from './windows.ts'

/**
 * X. Jin et al., "Dataless knowledge fusion by merging weights of language models" (RegMean), ICLR 2023, equation 2: the linear layer that differs least from
 * every model on that model's inputs, W = (Σ W_m G_m)(Σ G_m)⁻¹ with G = XᵀX, its off-diagonal scaled by a. Tensors without input statistics
 * are averaged.
 */
export const regmean: MergeOperator = {
  name: 'regmean',
  title: 'RegMean',
  reference: { text: 'Jin et al. 2023, Dataless knowledge fusion', url: 'https://arxiv.org/abs/2212.09849' },
  base: 'none',
  models: [1, Number.POSITIVE_INFINITY],
  cost: 'prepared',
  span: 'tensor',
  needs: 'input-gram',
  parameters: [
    {
      kind: 'number',
      name: 'a',
      description: 'What is left of the off-diagonal of the inputs’ Gram matrices.',
      default: 0.9,
      bounds: [0, 1],
      searchRange: [0, 1],
    },
    {
      kind: 'number',
      name: 'ridge',
      description: 'Added to the diagonal, relative to its mean: few rows leave the sum singular.',
      default: 1e-6,
      bounds: [0, 1],
      searchRange: [1e-8, 1e-2],
    },
  ],
  coefficients: [],
  candidate: {
    kind: 'prepared',
    structure: ({ parameters: { a, ridge } }) => [a, ridge],
    bases: input => {
      const solved = regmean.merge(input)
      requireFiniteResult(regmean, input.name, solved)
      return [solved]
    },
    coefficients: () => [1],
  },
  unmeasured: (_, models) => equally(models),
  windows: tensor => (tensor.measured ? undefined : independentWindows(regmean, tensor, 1)),
  merge({ models, shape, statistics, inputsAlong, parameters }) {
    if (statistics === undefined || shape.length !== 2) return combination(equally(models.length), models)
    const rows = inputsAlong === 'rows'
    const [n, outputs] = rows ? [shape[0]!, shape[1]!] : [shape[1]!, shape[0]!]
    const a = Number(parameters.a)
    const { CholeskyDecomposition, Matrix, solve } = mlMatrix()
    const S = Matrix.zeros(n, n)
    const R = Matrix.zeros(n, outputs) // transposed, for the solver
    for (const [m, gram] of statistics.entries()) {
      const G = asMatrix(
        gram.map((value, i) => (i % (n + 1) === 0 ? value : a * value)),
        [n, n],
      )
      const W = asMatrix(models[m]!, shape)
      S.add(G)
      R.add(G.mmul(rows ? W : W.transpose())) // G is symmetric
    }
    const added = (Number(parameters.ridge) * S.trace()) / n
    for (let i = 0; i < n; i++) S.set(i, i, S.get(i, i) + added)
    const cholesky = new CholeskyDecomposition(S)
    const solved = cholesky.isPositiveDefinite() ? cholesky.solve(R) : solve(S, R, true)
    return asVector(rows ? solved : solved.transpose())
  },
}

function equally(models: number): number[] {
  return new Array<number>(models).fill(1 / models)
}
