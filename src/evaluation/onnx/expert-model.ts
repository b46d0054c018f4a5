import { decodeToFloat32, dtypeBytes, type WeightDtype } from '../../formats/dtype.ts'
import { openCheckpoint } from '../../formats/open-file.ts'
import type { MergedModel, TensorView } from '../../merge/model.ts'

const WEIGHTS: ReadonlySet<string> = new Set<WeightDtype>(['F32', 'F64', 'F16', 'BF16'])

/** The float tensors of a checkpoint as float32, as a merge of it alone gives them. @throws {ConfigError | FormatError} */
export function readExpert(path: string): MergedModel {
  const checkpoint = openCheckpoint(path)
  try {
    const tensors = new Map<string, TensorView>()
    for (const { name, dtype, shape } of checkpoint.tensors.values()) {
      if (!WEIGHTS.has(dtype)) continue
      const stored = checkpoint.read(name)
      const kind = dtype as WeightDtype // it is one of the four
      const data = new Float32Array(stored.byteLength / dtypeBytes(kind))
      decodeToFloat32(stored, kind, data)
      tensors.set(name, { dtype: 'float32', shape, data })
    }
    return { tensors }
  } finally {
    checkpoint.close()
  }
}
