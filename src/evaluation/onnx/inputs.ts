import { ConfigError, EvaluatorError, FormatError, show } from '../../errors.ts'
import type { OnnxValue } from '../../formats/onnx.ts'
import { type Matrix, sizeOf } from './matrix.ts'
import { type DenseRows, newElements } from './rows.ts'
import type { InputDtype } from './tasks/task.ts'

/** A graph input that has to be filled. Static dimensions are checked; others are free. */
export interface InputSlot {
  readonly name: string
  readonly dtype: InputDtype
  /** Shape of one example as the graph declares it; `undefined`: any. */
  readonly declared: readonly (number | string | undefined)[] | undefined
  /** Shape of one example as the options say. */
  readonly shape: readonly number[] | undefined
  readonly scale: number
  readonly offset: number
}

/** @throws {EvaluatorError} on an element type that cannot be filled */
export function inputSlot(
  { name, dtype, shape }: OnnxValue,
  options: { readonly shape?: readonly number[] | undefined; readonly scale: number; readonly offset: number },
  where: string,
): InputSlot {
  if (dtype !== 'float32' && dtype !== 'int32' && dtype !== 'int64')
    throw new EvaluatorError(
      `${where}: graph input ${show(name)} is ${dtype ?? 'of a type that is not read'}; float32, int32 and int64 can be filled.`,
    )
  return { name, dtype, declared: shape?.slice(1), shape: options.shape, scale: options.scale, offset: options.offset }
}

/** Shape of one example: as the options say, else as the graph says where it says all, else as the file has it. */
function exampleShape({ name, declared, shape: asked }: InputSlot, matrix: Matrix, where: string): readonly number[] {
  const fixed = declared?.every(dim => typeof dim === 'number') ? declared.map(Number) : undefined
  const shape = asked ?? fixed ?? matrix.shape
  if (sizeOf(shape) !== sizeOf(matrix.shape))
    throw new ConfigError(
      `${where}: graph input ${show(name)} needs ${sizeOf(shape)} values per example for shape [${shape.join(', ')}], but ${matrix.from} gives ${sizeOf(matrix.shape)}.`,
    )
  const fits =
    declared === undefined ||
    (declared.length === shape.length && declared.every((dim, i) => typeof dim !== 'number' || dim === shape[i]))
  if (!fits)
    throw new ConfigError(
      `${where}: graph input ${show(name)} takes examples of shape [${declared.map(dim => dim ?? '?').join(', ')}], got [${shape.join(', ')}].`,
      { hint: 'Set "shape" of this input.' },
    )
  return shape
}

/**
 * The rows of some examples: values times scale plus offset in float64, rounded once to the type the graph takes.
 * @throws {ConfigError} on a shape that does not fit, {@link FormatError} on a value that the type does not have
 */
export function gatherRows(slot: InputSlot, matrix: Matrix, members: Int32Array, where: string): DenseRows {
  const shape = exampleShape(slot, matrix, where)
  const { dtype, scale, offset } = slot
  const size = sizeOf(shape)
  const data = newElements(dtype, members.length * size)
  for (let i = 0; i < members.length; i++) {
    const example = members[i]!
    for (let k = 0; k < size; k++) {
      const value = matrix.value(example, k) * scale + offset
      const at = i * size + k
      let exact: boolean
      if (data instanceof BigInt64Array) {
        exact = Number.isSafeInteger(value)
        if (exact) data[at] = BigInt(value)
      } else {
        data[at] = value
        exact = dtype === 'float32' ? Number.isFinite(data[at]!) : data[at] === value
      }
      if (!exact)
        throw new FormatError(
          `${matrix.where(example, k)}: ${show(String(value))} is no ${dtype} value for graph input ${show(slot.name)}.`,
        )
    }
  }
  return { dtype, shape, data }
}
