import type { Recipe } from '../space/recipe.ts'

/** A checkpoint to merge, by name. Plain data. */
export interface SourceReference {
  readonly id: string
  /** Absolute path: a `.safetensors` file, a folder with `model.safetensors` or its index, or an `.onnx` file; or `model+adapter`, both absolute. */
  readonly path: string
  /** Names, or patterns with "*" and "?", of tensors that are left as if the model did not have them: heads that are not merged. */
  readonly without?: readonly string[] | undefined
  /** Absolute path of its statistics, for methods that need them: a `.safetensors` file, or a folder of shards. See `docs/statistics.md`. */
  readonly statistics?: string | undefined
}

/** One tensor of a merged model: a view of a worker's own, unshared memory, valid until the next merge. */
export interface TensorView {
  readonly dtype: 'float32'
  readonly shape: readonly number[]
  readonly data: Float32Array // row-major, product(shape) elements
}

/** A set of named views, not a file: weights are fed to the runtime as graph inputs. */
export interface MergedModel {
  readonly tensors: ReadonlyMap<string, TensorView>
  /** What it was merged by, where it was: some objectives are properties of it. */
  readonly recipe?: Recipe
}
