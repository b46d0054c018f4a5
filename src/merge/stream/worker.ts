// What each thread of the pool that merges files runs.
import { workerData } from 'node:worker_threads'
import { AmalgamError } from '../../errors.ts'
import { readAt } from '../../formats/opened-file.ts'
import { writeAt } from '../../formats/write-file.ts'
import { mergeTensor } from './merge-tensor.ts'
import type { StreamJob, StreamOutcome, StreamThreadData } from './pool.ts'
import { readColumns } from './read-columns.ts'

const { stop, sizes }: StreamThreadData = workerData

/** The pool's task. Named in `pool.ts`. */
export function runStreamJob({ tensor, begin, end, out }: StreamJob): StreamOutcome {
  if (Atomics.load(stop, 0) !== 0) return { kind: 'stopped' }
  try {
    const merged = mergeTensor(
      tensor,
      begin,
      end,
      {
        read: (input, offset, target) => {
          const { place, path, dtype, columns } = tensor.inputs[input]!
          const { descriptor, begin: start } = place!
          readColumns(dtype, columns, offset, target, (at, part) =>
            readAt({ descriptor, begin: start + at }, part, path),
          )
        },
        write: (offset, bytes) => writeAt({ ...out, begin: out.begin + offset }, bytes),
      },
      sizes,
    )
    return { kind: merged ? 'merged' : 'irregular' }
  } catch (error) {
    Atomics.store(stop, 0, 1)
    if (!(error instanceof AmalgamError)) throw error
    return { kind: 'failed', name: error.name, message: error.message, hint: error.hint }
  }
}
