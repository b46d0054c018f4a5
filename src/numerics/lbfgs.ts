/**
 * Minimisation of a smooth function in a box by projected limited-memory BFGS: the two-loop recursion of J. Nocedal, "Updating
 * quasi-Newton matrices with limited storage", Math. Comp. 35, 1980, on the coordinates that no bound holds, with a backtracking
 * search along the projected step (D. P. Bertsekas, "Projected Newton methods", SIAM J. Control Optim. 20(2), 1982).
 */
export interface BoundedProblem {
  /** Value at x; fills the gradient. Shape (n,) both. Anything not finite is taken as "too far". */
  evaluate(x: Float64Array, gradient: Float64Array): number
  readonly low: Float64Array
  readonly high: Float64Array
}

export interface BoundedOptions {
  readonly maxIterations: number
  /** Stops when no component of the projected gradient is larger. */
  readonly gradientTolerance: number
  /** Stops when an iteration gains less than this share of max(|f|, 1). */
  readonly valueTolerance: number
  /** Length of the first step at most, in units of x. */
  readonly firstStep: number
}

export interface BoundedMinimum {
  readonly x: Float64Array
  readonly value: number
  readonly evaluations: number
}

const MEMORY = 10
const SUFFICIENT_DECREASE = 1e-4
const MAX_BACKTRACKS = 20

/** @param start inside the bounds, shape (n,). If its value is not finite, it is returned as it is. */
export function minimizeBounded(problem: BoundedProblem, start: Float64Array, options: BoundedOptions): BoundedMinimum {
  const n = start.length
  let x = start.slice()
  let gradient = new Float64Array(n)
  let value = problem.evaluate(x, gradient)
  let evaluations = 1
  const memory: Pair[] = []
  for (let iteration = 0; iteration < options.maxIterations && Number.isFinite(value); iteration++) {
    const free = freeCoordinates(problem, x, gradient)
    const steepest = largest(gradient, free)
    if (!(steepest > options.gradientTolerance)) break
    let direction = quasiNewton(memory, gradient, free)
    let slope = dot(direction, gradient)
    if (!(slope < 0)) {
      memory.length = 0
      direction = quasiNewton(memory, gradient, free)
      slope = dot(direction, gradient)
    }
    let step = memory.length > 0 ? 1 : Math.min(1, options.firstStep / Math.sqrt(-slope))
    const next = new Float64Array(n)
    const nextGradient = new Float64Array(n)
    let accepted = Number.NaN
    for (let tries = 0; tries < MAX_BACKTRACKS; tries++) {
      let predicted = 0
      for (let i = 0; i < n; i++) {
        next[i] = Math.min(problem.high[i]!, Math.max(problem.low[i]!, x[i]! + step * direction[i]!))
        predicted += gradient[i]! * (next[i]! - x[i]!)
      }
      const trial = problem.evaluate(next, nextGradient)
      evaluations++
      if (trial <= value + SUFFICIENT_DECREASE * predicted && predicted < 0) {
        accepted = trial
        break
      }
      // Minimum of the parabola through the value, the slope and the trial, kept within a tenth and a half of the step.
      const parabola = -predicted / (2 * (trial - value - predicted))
      step *= Number.isFinite(trial) && parabola > 0 ? Math.min(0.5, Math.max(0.1, parabola)) : 0.1
    }
    if (!Number.isFinite(accepted)) break
    remember(memory, x, gradient, next, nextGradient)
    const gain = value - accepted
    x = next
    gradient = nextGradient
    value = accepted
    if (gain <= options.valueTolerance * Math.max(Math.abs(value), 1)) break
  }
  return { x, value, evaluations }
}

interface Pair {
  readonly s: Float64Array
  readonly y: Float64Array
  readonly rho: number
}

/** 1 where the coordinate may move against its gradient, 0 where a bound holds it. */
function freeCoordinates(problem: BoundedProblem, x: Float64Array, gradient: Float64Array): Uint8Array {
  return Uint8Array.from(x, (value, i) =>
    (value <= problem.low[i]! && gradient[i]! > 0) || (value >= problem.high[i]! && gradient[i]! < 0) ? 0 : 1,
  )
}

/** -H g on the free coordinates, 0 on the others. */
function quasiNewton(memory: readonly Pair[], gradient: Float64Array, free: Uint8Array): Float64Array {
  const q = gradient.map((g, i) => -g * free[i]!)
  const alphas: number[] = []
  for (let p = memory.length - 1; p >= 0; p--) {
    const { s, y, rho } = memory[p]!
    const alpha = rho * dot(s, q)
    alphas[p] = alpha
    for (let i = 0; i < q.length; i++) q[i] = q[i]! - alpha * y[i]!
  }
  const last = memory.at(-1)
  if (last !== undefined) {
    const scale = 1 / (last.rho * dot(last.y, last.y))
    for (let i = 0; i < q.length; i++) q[i] = q[i]! * scale
  }
  for (const [p, { s, y, rho }] of memory.entries()) {
    const beta = alphas[p]! - rho * dot(y, q)
    for (let i = 0; i < q.length; i++) q[i] = q[i]! + beta * s[i]!
  }
  for (let i = 0; i < q.length; i++) q[i] = q[i]! * free[i]!
  return q
}

function remember(
  memory: Pair[],
  x: Float64Array,
  gradient: Float64Array,
  next: Float64Array,
  nextGradient: Float64Array,
): void {
  const s = next.map((value, i) => value - x[i]!)
  const y = nextGradient.map((value, i) => value - gradient[i]!)
  const curvature = dot(s, y)
  if (!(curvature > 1e-10 * Math.sqrt(dot(s, s) * dot(y, y)))) return
  memory.push({ s, y, rho: 1 / curvature })
  if (memory.length > MEMORY) memory.shift()
}

function largest(gradient: Float64Array, free: Uint8Array): number {
  return gradient.reduce((most, g, i) => Math.max(most, Math.abs(g) * free[i]!), 0)
}

function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!
  return sum
}
