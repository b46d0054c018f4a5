import type { Gram, GramSum, MergeOperator, Window, WindowedTensor, Windows } from './operator.ts'
import { combination, sum, taskVectors } from './vectors.ts'

/** Inner products by line take this many numbers at most: 64 MB. */
const PRODUCTS_LIMIT = 1 << 23

/** An operator's definition in windows; undefined where only the whole tensor tells one element. */
export function windowsOf(operator: MergeOperator, tensor: WindowedTensor): Windows | undefined {
  if (operator.windows !== undefined) return operator.windows(tensor)
  if (operator.span === 'element') return independentWindows(operator, tensor, 1)
  return operator.candidate?.kind === 'gram' ? gramWindows(operator, operator.candidate, tensor) : undefined
}

/** Stretches of `unit` elements that know nothing of each other: each is merged as a matrix of such rows. */
export function independentWindows(
  operator: Pick<MergeOperator, 'merge'>,
  tensor: WindowedTensor,
  unit: number,
): Windows {
  return {
    unit,
    passes: [],
    merge: ({ base, models, statistics }) => {
      const elements = models[0]!.length
      const shape = unit === 1 ? [elements] : [elements / unit, unit]
      return operator.merge({ ...tensor, shape, base, models, statistics })
    },
  }
}

/** out = Σ c_v x_v: inner products first, in the order of the elements, then the sum. Lines as in `GramSum.along`. */
function gramWindows(operator: MergeOperator, plan: GramSum, tensor: WindowedTensor): Windows | undefined {
  const { shape, elements, based, ids, name } = tensor
  const along = plan.along(tensor, shape)
  if (along === 'last') return independentWindows(operator, tensor, shape.at(-1)!)
  const of = plan.of(based)
  const size = ids.length + (of === 'with-base' ? 1 : 0)
  const packed = (size * (size + 1)) / 2
  const lines = along === 'first' ? elements / shape[0]! : 1
  if (lines * packed > PRODUCTS_LIMIT) return undefined
  const table = new Float64Array(lines * packed)
  let found: readonly Float64Array[] | undefined
  const coefficients = (): readonly Float64Array[] => {
    found ??= coefficientsOf(plan, tensor, table, size, lines, name)
    return found
  }
  const vectorsOf = ({ base, models }: Window): readonly Float64Array[] =>
    of === 'with-base' ? [base!, ...models] : of === 'task-vectors' ? taskVectors(models, base!) : models
  return {
    unit: 1,
    passes: [window => addProducts(table, vectorsOf(window), window.begin, lines, packed)],
    merge: window => {
      const vectors = vectorsOf(window)
      const c = coefficients()
      const out =
        lines === 1
          ? combination(
              c.map(([only]) => only!),
              vectors,
            )
          : byLine(c, vectors, window.begin, lines)
      return of === 'task-vectors' ? sum(window.base!, out) : out
    },
  }
}

/** Products (i, j) with i <= j, row by row, for each line. */
function addProducts(
  table: Float64Array,
  vectors: readonly Float64Array[],
  begin: number,
  lines: number,
  packed: number,
): void {
  let p = 0
  for (const [i, a] of vectors.entries()) {
    for (const b of vectors.slice(i)) {
      if (lines === 1) {
        let total = table[p]!
        for (let e = 0; e < a.length; e++) total += a[e]! * b[e]!
        table[p] = total
      } else {
        for (let e = 0, line = begin % lines; e < a.length; e++, line = line + 1 === lines ? 0 : line + 1) {
          table[line * packed + p]! += a[e]! * b[e]!
        }
      }
      p++
    }
  }
}

/** By vector, then by line. */
function coefficientsOf(
  plan: GramSum,
  tensor: WindowedTensor,
  table: Float64Array,
  size: number,
  lines: number,
  name: string,
): readonly Float64Array[] {
  const packed = table.length / lines
  const all = Array.from({ length: size }, () => new Float64Array(lines))
  for (let line = 0; line < lines; line++) {
    const start = line * packed
    const gram: Gram = {
      size,
      at: (i, j) => table[start + (i <= j ? packedAt(i, j, size) : packedAt(j, i, size))]!,
    }
    for (const [v, c] of plan.coefficients(gram, tensor, name).entries()) all[v]![line] = c
  }
  return all
}

function packedAt(i: number, j: number, size: number): number {
  return i * size - (i * (i - 1)) / 2 + j - i
}

function byLine(
  c: readonly Float64Array[],
  vectors: readonly Float64Array[],
  begin: number,
  lines: number,
): Float64Array {
  const out = new Float64Array(vectors[0]!.length)
  for (const [v, x] of vectors.entries()) {
    const own = c[v]!
    for (let e = 0, line = begin % lines; e < out.length; e++, line = line + 1 === lines ? 0 : line + 1) {
      out[e]! += own[line]! * x[e]!
    }
  }
  return out
}
