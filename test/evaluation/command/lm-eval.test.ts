import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeEach, expect, it } from 'vitest'
import { readLmEvalAnswer, samplesArgument } from '../../../src/evaluation/command/lm-eval.ts'
import { temporaryFolder } from '../../helpers/temporary-folders.ts'

const folder = temporaryFolder('command')
const out = join(folder, 'out')
beforeEach(() => {
  rmSync(out, { recursive: true, force: true })
  mkdirSync(join(out, '__model'), { recursive: true })
})

// As version 0.4.13 writes them, less what is not read.
const RESULTS = `{"results": {"facts": {"acc,none": 0.5, "acc_stderr,none": 0.1, "exact,strict": NaN}, "text": {"bits_per_byte,none": 2.5}}}`
const FACTS = [
  { doc_id: 3, filter: 'none', acc: 0 },
  { doc_id: 1, filter: 'none', acc: 1 },
  { doc_id: 1, filter: 'strict', exact: 0 },
]
const TEXT = [
  { doc_id: 0, filter: 'none', bits_per_byte: [-Math.LN2 * 20, 10], word_perplexity: [-5000, 1] },
  { doc_id: 1, filter: 'none', bits_per_byte: [-Math.LN2 * 30, 10], word_perplexity: [-10, 2] },
]
const write = (name: string, rows: readonly unknown[] | string): void =>
  writeFileSync(
    join(out, '__model', name),
    typeof rows === 'string' ? rows : rows.map(row => `${JSON.stringify(row)}\n`).join(''),
  )
const wanted = (task: string, metric: string) => [{ objective: 'it', task, metric }]

it('reads values, and scores by document number', () => {
  write('results_2026-01-01.json', RESULTS)
  write('samples_facts_2026-01-01.jsonl', FACTS)
  write('samples_text_2026-01-01.jsonl', TEXT)
  const facts = readLmEvalAnswer(out, wanted('facts', 'acc'), 1e6)
  expect([facts.values.get('it'), facts.scores.get('it')]).toEqual([0.5, [1, 0]])
  const text = readLmEvalAnswer(out, wanted('text', 'bits_per_byte'), 1e6)
  expect([text.values.get('it'), text.scores.get('it')]).toEqual([2.5, [2, 3]])
  const strict = readLmEvalAnswer(out, wanted('facts', 'exact,strict'), 1e6)
  expect([strict.values.get('it'), strict.scores.get('it')]).toEqual([null, [0]])
})

it('says what is missing', () => {
  expect(() => readLmEvalAnswer(out, wanted('facts', 'acc'), 1e6)).toThrow('lm_eval wrote no results_*.json')
  write('results_2026-01-01.json', RESULTS)
  expect(() => readLmEvalAnswer(out, wanted('fact', 'acc'), 1e6)).toThrow(
    'no results of the task "fact"; it has "facts, text"',
  )
  expect(() => readLmEvalAnswer(out, wanted('facts', 'f1'), 1e6)).toThrow(
    'no "f1,none" of the task "facts"; it has "acc,none exact,strict"',
  )
  expect(() => readLmEvalAnswer(out, wanted('facts', 'acc'), 10)).toThrow('more than 10')
})

it('asks for the documents of each task once', () => {
  const ranges = [
    { begin: 0, end: 2 },
    { begin: 1, end: 4 },
    { begin: 0, end: 0 },
  ]
  expect(samplesArgument(['a', 'a', 'b'], ranges)).toBe('{"a":[0,1,2,3],"b":[]}')
})
