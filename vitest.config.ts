import { availableParallelism } from 'node:os'
import { defineConfig } from 'vitest/config'

// Forked processes, not threads: a thread that has used onnxruntime-node cannot be terminated without aborting its process.
export default defineConfig({
  test: {
    pool: 'forks',
    // One per core: by default one core is left idle, half of a machine that has two.
    maxWorkers: availableParallelism(),
    include: ['test/**/*.test.ts'],
    globalSetup: ['test/helpers/setup-run.ts'],
    setupFiles: ['test/helpers/setup-file.ts'],
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
})
