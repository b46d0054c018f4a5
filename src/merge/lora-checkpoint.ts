import { MergeError, show } from '../errors.ts'
import type { Checkpoint, FilePlace, TensorInfo } from '../formats/checkpoint.ts'
import { decodeToFloat32, dtypeBytes, isWeightDtype } from '../formats/dtype.ts'
import type { Adaptation, LowRank } from '../formats/lora.ts'
import { PartialCheckpoint } from './partial-checkpoint.ts'
import { RenamedCheckpoint } from './renamed-checkpoint.ts'

/**
 * A model with a low-rank adapter applied, as a checkpoint: nothing is computed before it is read, row by row. Adapted tensors read as float32, so
 * that small changes of 16-bit weights are not rounded away before they are merged.
 */
export class LoraCheckpoint implements Checkpoint {
  readonly path: string
  readonly files: readonly string[]
  readonly tensors: ReadonlyMap<string, TensorInfo>
  readonly metadata: ReadonlyMap<string, string>
  /** Without the adapter. */
  readonly model: Checkpoint
  /** Its factors. */
  readonly adapter: Checkpoint
  /** By tensor of the model. */
  readonly adaptations: ReadonlyMap<string, Adaptation>
  /** As the model without the adapter stores its tensors: what a merge is written as. */
  get stored(): ReadonlyMap<string, TensorInfo> {
    return this.model instanceof LoraCheckpoint ? this.model.stored : this.model.tensors
  }

  /** The last adapted tensor's factors: reads of one tensor follow each other. */
  #factors:
    | { readonly name: string; readonly A: Float32Array; readonly B: Float32Array; readonly rank: number }
    | undefined

  /**
   * Takes over both checkpoints: `close` closes them.
   * @throws {MergeError} where the shapes of an adapted tensor and its factors do not fit
   */
  constructor(model: Checkpoint, adapter: Checkpoint, adaptations: ReadonlyMap<string, Adaptation>) {
    this.path = `${model.path}+${adapter.path}`
    this.files = [...model.files, ...adapter.files]
    this.metadata = model.metadata
    this.model = model
    this.adapter = adapter
    this.adaptations = adaptations
    this.tensors = new Map([...model.tensors].map(([name, info]) => [name, this.#infoOf(info, adaptations.get(name))]))
  }

  read(name: string, target?: Uint8Array): Uint8Array {
    const info = this.tensors.get(name)
    const bytes = target ?? new Uint8Array(info?.byteLength ?? 0)
    if (info === undefined) return this.model.read(name, target)
    this.readRange(name, 0, bytes)
    return bytes
  }

  readRange(name: string, offset: number, target: Uint8Array): void {
    const adaptation = this.adaptations.get(name)
    if (adaptation === undefined) this.model.readRange(name, offset, target)
    else if (adaptation.kind === 'whole') this.adapter.readRange(adaptation.tensor, offset, target)
    else this.#readAdapted(name, adaptation, offset, target)
  }

  placeOf(name: string): FilePlace | undefined {
    const adaptation = this.adaptations.get(name)
    if (adaptation === undefined) return this.model.placeOf(name)
    return adaptation.kind === 'whole' ? this.adapter.placeOf(adaptation.tensor) : undefined
  }

  verifyUnchanged(): void {
    this.model.verifyUnchanged()
    this.adapter.verifyUnchanged()
  }

  close(): void {
    this.model.close()
    this.adapter.close()
  }

  #readAdapted(name: string, adaptation: LowRank, offset: number, target: Uint8Array): void {
    if (offset % 4 !== 0 || target.byteLength % 4 !== 0) {
      throw new RangeError(
        `Adapted tensors are read in whole float32 elements; got ${target.byteLength} bytes from ${offset}.`,
      )
    }
    const values = this.#adapted(name, adaptation, offset / 4, target.byteLength / 4)
    target.set(new Uint8Array(values.buffer, values.byteOffset, values.byteLength))
  }

  /** W + scale · B A (or its transpose) for `count` elements from `begin` on, summed in float64. */
  #adapted(name: string, adaptation: LowRank, begin: number, count: number): Float32Array {
    const out = this.#floats(this.model, name, begin, count)
    const { scale, transposed } = adaptation
    const { A, B, rank } = this.#load(name, adaptation)
    const inputs = A.length / rank
    const columns = transposed ? B.length / rank : inputs
    for (let at = 0; at < count; ) {
      const row = Math.floor((begin + at) / columns)
      const first = (begin + at) % columns
      const length = Math.min(columns - first, count - at)
      for (let column = first; column < first + length; column++, at++) {
        const [o, i] = transposed ? [column, row] : [row, column]
        let sum = 0
        for (let k = 0; k < rank; k++) sum += B[o * rank + k]! * A[k * inputs + i]!
        out[at] = out[at]! + scale * sum
      }
    }
    return out
  }

  #load(name: string, { A, B }: LowRank) {
    if (this.#factors?.name !== name) {
      const [a, b] = [this.adapter.tensors.get(A)!, this.adapter.tensors.get(B)!]
      this.#factors = {
        name,
        A: this.#floats(this.adapter, A, 0, elementsOf(a)),
        B: this.#floats(this.adapter, B, 0, elementsOf(b)),
        rank: a.shape[0]!,
      }
    }
    return this.#factors
  }

  #floats(checkpoint: Checkpoint, name: string, begin: number, count: number): Float32Array {
    const { dtype } = checkpoint.tensors.get(name)!
    if (!isWeightDtype(dtype))
      throw new MergeError(`Tensor ${show(name)} of ${checkpoint.path} is ${dtype}; only floats are adapted.`)
    const bytes = new Uint8Array(count * dtypeBytes(dtype))
    checkpoint.readRange(name, begin * dtypeBytes(dtype), bytes)
    const values = new Float32Array(count)
    decodeToFloat32(bytes, dtype, values)
    return values
  }

  #infoOf(info: TensorInfo, adaptation: Adaptation | undefined): TensorInfo {
    if (adaptation === undefined) return info
    if (adaptation.kind === 'whole') {
      const whole = this.adapter.tensors.get(adaptation.tensor)!
      return { ...whole, name: info.name }
    }
    const [a, b] = [this.adapter.tensors.get(adaptation.A)!.shape, this.adapter.tensors.get(adaptation.B)!.shape]
    const expected = adaptation.transposed ? [...a.slice(1), b[0]] : [b[0], ...a.slice(1)]
    if (info.shape.length !== expected.length || info.shape.some((size, axis) => size !== expected[axis])) {
      throw new MergeError(
        `${this.adapter.path} adapts ${show(info.name)} as [${expected.join(', ')}], but in ${this.model.path} it is [${info.shape.join(', ')}].`,
        { hint: 'Name the model that the adapter was trained on as its base.' },
      )
    }
    return { name: info.name, shape: info.shape, dtype: 'F32', byteLength: elementsOf(info) * 4 }
  }
}

/** Tensors with the types that a model stores them in; adapted ones are read as float32. */
export function storedTensors(checkpoint: Checkpoint): ReadonlyMap<string, TensorInfo> {
  if (checkpoint instanceof RenamedCheckpoint) return checkpoint.stored
  if (checkpoint instanceof PartialCheckpoint)
    return new Map([...storedTensors(checkpoint.model)].filter(([name]) => checkpoint.tensors.has(name)))
  if (!(checkpoint instanceof LoraCheckpoint)) return checkpoint.tensors
  const { stored } = checkpoint
  return new Map([...checkpoint.tensors].map(([name, info]) => [name, { ...info, dtype: stored.get(name)!.dtype }]))
}

function elementsOf({ shape }: TensorInfo): number {
  return shape.reduce((product, size) => product * size, 1)
}
