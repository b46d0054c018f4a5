/** How many classes come before `label`, from the largest logit down; ties go to the lower class. NaN where a logit is NaN. */
export function rankOf(values: Float32Array | Float64Array, at: number, classes: number, label: number): number {
  const own = values[at + label]!
  let before = 0
  for (let c = 0; c < classes; c++) {
    const value = values[at + c]!
    if (Number.isNaN(value)) return value
    if (value > own || (c < label && value === own)) before++
  }
  return before
}
