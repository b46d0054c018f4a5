import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createEvaluator, evaluatorReference } from '../../../src/evaluation/registry.ts'

export function writeQuestions(folder: string, more: Readonly<Record<string, unknown>> = {}): string {
  const path = join(folder, `questions-${Object.keys(more).join('-')}.jsonl`)
  const lines = Array.from({ length: 15 }, (_, i) => ({
    id: `q${i}`,
    split: i < 6 ? 'search' : i < 10 ? 'select' : 'holdout',
    question: `What is ${i}?`,
    answer: String(i),
    ...more,
  }))
  writeFileSync(path, lines.map(line => `${JSON.stringify(line)}\n`).join(''))
  return path
}

export const judged = (url: string) => ({
  name: 'quality',
  score: {
    rule: 'judge',
    endpoint: `${url}/v1`,
    model: 'judge',
    prompt: 'Mark this. question: {question} answer: {answer_given}',
  },
})

export async function makeHttp(folder: string, url: string, document: Readonly<Record<string, unknown>> = {}) {
  return createEvaluator(
    evaluatorReference(
      {
        kind: 'http',
        id: 'server',
        endpoint: `${url}/v1`,
        examples: writeQuestions(folder),
        prompt: '{question}',
        storage: folder,
        backoff: 0.001,
        timeout: 20,
        objectives: [judged(url)],
        ...document,
      },
      folder,
      'server.yaml',
    ),
  )
}
