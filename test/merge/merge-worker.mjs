// A thread that merges the same recipe again and again and posts every result's digest.
import { createHash } from 'node:crypto'
import { parentPort, workerData } from 'node:worker_threads'

const { createMerger } = await import(workerData.module)
const merger = createMerger(workerData.shared, workerData.thread, 2)
const digests = new Set()
for (let round = 0; round < workerData.rounds; round++) {
  for (const recipe of workerData.recipes) {
    const hash = createHash('sha256')
    for (const { data } of merger.merge(recipe).tensors.values()) hash.update(data)
    digests.add(`${workerData.recipes.indexOf(recipe)} ${hash.digest('hex')}`)
  }
}
parentPort.postMessage([...digests].sort())
