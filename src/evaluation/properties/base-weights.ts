import { EvaluatorError, show } from '../../errors.ts'
import type { Checkpoint } from '../../formats/checkpoint.ts'
import { decodeToFloat32, dtypeBytes, isWeightDtype } from '../../formats/dtype.ts'
import { openModel } from '../../merge/open-model.ts'

/** The weights that candidates are compared with, one tensor at a time: no second model stays in memory. */
export class BaseWeights {
  readonly #checkpoint: Checkpoint

  /** @throws {ConfigError | FormatError | MergeError} */
  constructor(path: string) {
    this.#checkpoint = openModel(path)
  }

  /** @throws {EvaluatorError} where the base lacks one of these tensors */
  require(names: Iterable<string>): void {
    for (const name of names) this.#info(name)
  }

  /**
   * As float32. Reads the file.
   * @param shape of the candidate's tensor
   * @throws {EvaluatorError} where the base has no such tensor; {FormatError} where its file became shorter
   */
  read(name: string, shape: readonly number[]): Float32Array {
    const { dtype, shape: own } = this.#info(name)
    if (own.length !== shape.length || own.some((size, i) => size !== shape[i]))
      throw new EvaluatorError(
        `Tensor ${show(name)} of the base ${this.#checkpoint.path} has shape [${own.join(', ')}], the candidate's has [${shape.join(', ')}].`,
        { hint: 'Name the model that the candidates were tuned from as "base" of the property.' },
      )
    const stored = this.#checkpoint.read(name)
    const data = new Float32Array(stored.byteLength / dtypeBytes(dtype))
    decodeToFloat32(stored, dtype, data)
    return data
  }

  #info(name: string) {
    const info = this.#checkpoint.tensors.get(name)
    const { dtype } = info ?? {}
    if (info !== undefined && dtype !== undefined && isWeightDtype(dtype)) return { dtype, shape: info.shape }
    throw new EvaluatorError(
      `The base ${this.#checkpoint.path} has no float tensor ${show(name)}, which the candidates have.`,
      { hint: 'Name the model that the candidates were tuned from as "base" of the property.' },
    )
  }

  close(): void {
    this.#checkpoint.close()
  }
}

/** Absolute paths of the files that hold the weights. Reads headers only. @throws {ConfigError | FormatError | MergeError} */
export function filesOfModel(path: string): readonly string[] {
  const checkpoint = openModel(path)
  try {
    return checkpoint.files
  } finally {
    checkpoint.close()
  }
}
