import { type Objective, toLoss } from './objective.ts'

/**
 * One number from several losses, for strategies that optimise one and for naming a winner.
 * - `worst`: augmented Tchebycheff, max_i n_i + 0.05 · mean_i n_i (J. Knowles, "ParEGO", IEEE TEC 10(1), 2006, eq. 2, equal weights):
 *   the worst normalised objective counts; the mean breaks ties, which matters for accuracies that come in steps.
 * - `mean`: mean_i n_i.
 */
export type Scalarization = 'worst' | 'mean'
export const SCALARIZATIONS = ['worst', 'mean'] as const

/** Share of the mean in `worst`. ParEGO's ρ. */
export const RHO = 0.05

/** Losses, shape (m,), normalised so that 0 is `ideal` and 1 is `reference`; an objective without `ideal` is divided by |reference| (or 1). */
export function normalizeLosses(losses: readonly number[], objectives: readonly Objective[]): number[] {
  return losses.map((loss, i) => {
    const objective = objectives[i]!
    const worst = toLoss(objective, objective.reference)
    if (objective.ideal === undefined) return (loss - worst) / (Math.abs(worst) || 1) + 1
    const best = toLoss(objective, objective.ideal)
    return (loss - best) / (worst - best)
  })
}

/** Smaller is better. A single objective is returned as its raw loss: scaling it would only lose digits. */
export function scalarize(kind: Scalarization, losses: readonly number[], objectives: readonly Objective[]): number {
  if (losses.length === 1) return losses[0]!
  const normalized = normalizeLosses(losses, objectives)
  const mean = normalized.reduce((sum, n) => sum + n, 0) / normalized.length
  return kind === 'mean' ? mean : Math.max(...normalized) + RHO * mean
}

/**
 * Squared standard error of the scalarised loss where those of the losses are independent: each objective's by itself, added up.
 * @param variances of the losses, shape (m,)
 */
export function scalarVariance(
  kind: Scalarization,
  losses: readonly number[],
  variances: readonly number[],
  objectives: readonly Objective[],
): number {
  const at = scalarize(kind, losses, objectives)
  return variances.reduce((sum, variance, i) => {
    const moved = losses.map((loss, j) => (j === i ? loss + Math.sqrt(variance) : loss))
    return sum + (scalarize(kind, moved, objectives) - at) ** 2
  }, 0)
}

/** offset + Σ slopes_i · x_i */
export interface AffinePiece {
  readonly offset: number
  readonly slopes: readonly number[] // shape (m,)
}

/** @param point shape (m,). */
export function pieceAt({ offset, slopes }: AffinePiece, point: readonly number[]): number {
  return slopes.reduce((sum, slope, i) => sum + slope * point[i]!, offset)
}

/** The scalarisation as the largest of affine functions of the losses, shape (m,): one piece, or one per objective. */
export function lossPieces(kind: Scalarization, objectives: readonly Objective[]): AffinePiece[] {
  // A loss is the raw value or its negative.
  const signs = objectives.map(objective => toLoss(objective, 1))
  return scalarPieces(kind, objectives).map(({ offset, slopes }) => ({
    offset,
    slopes: slopes.map((slope, i) => slope * signs[i]!),
  }))
}

/** The scalarisation as the largest of affine functions of the raw values, shape (m,): one piece, or one per objective. */
export function scalarPieces(kind: Scalarization, objectives: readonly Objective[]): AffinePiece[] {
  const m = objectives.length
  if (m === 1) return [{ offset: 0, slopes: [toLoss(objectives[0]!, 1)] }]
  const normalized = (value: number): number[] =>
    normalizeLosses(
      objectives.map(objective => toLoss(objective, value)),
      objectives,
    )
  const offsets = normalized(0)
  const slopes = normalized(1).map((atOne, i) => atOne - offsets[i]!)
  const mean = offsets.reduce((sum, offset) => sum + offset, 0) / m
  if (kind === 'mean') return [{ offset: mean, slopes: slopes.map(slope => slope / m) }]
  return objectives.map((_, i) => ({
    offset: offsets[i]! + RHO * mean,
    slopes: slopes.map((slope, o) => (o === i ? slope : 0) + (RHO * slope) / m),
  }))
}
