import { createInlineExecutor } from '../../src/executors/inline.ts'
import { describeExecutor } from '../contracts/executor-contract.ts'

describeExecutor('The inline executor', setup => createInlineExecutor(setup), [
  'executors/inline.js',
  'createInlineExecutor',
])
