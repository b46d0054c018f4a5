import { createWorkerHostExecutor } from '../../src/executors/host/worker-host.ts'
import { describeExecutor } from '../contracts/executor-contract.ts'

describeExecutor('The worker host', (setup, workers) => createWorkerHostExecutor(setup, { workers }), [
  'executors/host/worker-host.js',
  'createWorkerHostExecutor',
])
