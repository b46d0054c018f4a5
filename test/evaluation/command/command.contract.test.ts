import { describeEvaluator, type EvaluatorSubject } from '../../contracts/evaluator-contract.ts'
import { temporaryFolder } from '../../helpers/temporary-folders.ts'
import { make, modelWith, ONCE, writeExamples } from './support.ts'

const folder = temporaryFolder('command')

const subject = (document: Readonly<Record<string, unknown>>): EvaluatorSubject => ({
  create: () => make(folder, document),
  model: seed => modelWith(seed),
  chance: { model: modelWith(0), values: () => [0.5] },
  means: [0],
  separating: { model: modelWith(7), objective: 0 },
})

describeEvaluator('a warm program with examples of its own', async () => subject({}))
describeEvaluator('a warm program that is told its examples', async () => subject({ examples: writeExamples(folder) }))
describeEvaluator('a program that runs once', async () => subject({ ...ONCE, examples: writeExamples(folder) }))
