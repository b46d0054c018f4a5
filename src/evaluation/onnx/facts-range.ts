import type { ExampleRange } from '../evaluator.ts'
import type { Facts } from './tasks/task.ts'

/** The facts of the examples in a range. */
export function within(facts: Facts, { begin, end }: ExampleRange): Facts {
  const { examples, width, values } = facts
  if (examples.length === end - begin) return facts // the same examples: they are distinct, and these are among them
  const first = lowerBound(examples, begin)
  const last = lowerBound(examples, end)
  return { examples: examples.subarray(first, last), width, values: values.subarray(first * width, last * width) }
}

/** Position of the first element that is not below `value`. */
function lowerBound(ascending: Int32Array, value: number): number {
  let [low, high] = [0, ascending.length]
  while (low < high) {
    const middle = (low + high) >> 1
    if (ascending[middle]! < value) low = middle + 1
    else high = middle
  }
  return low
}
