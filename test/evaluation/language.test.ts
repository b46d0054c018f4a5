import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Evaluator } from '../../src/evaluation/evaluator.ts'
import { continuationRow, encodePair, rollingWindows } from '../../src/evaluation/onnx/language/windows.ts'
import { wordCount } from '../../src/evaluation/onnx/tasks/language-model.ts'
import { createEvaluator, evaluatorReference } from '../../src/evaluation/registry.ts'
import { describeEvaluator } from '../contracts/evaluator-contract.ts'
import { temporaryFolder } from '../helpers/temporary-folders.ts'
import { rejectionOf } from '../helpers/thrown.ts'
import { languageGraph, languageModel, logProbabilities, PREFIX, TEXTS, VOCABULARY } from './language-fixture.ts'

const MAX = 12
const SPLITS = ['search', 'select', 'holdout'] as const
const QUESTIONS = TEXTS.map((text, i) => ({
  question: text,
  choices: ['yes', 'no, never', 'é'].slice(0, 2 + (i % 2)),
  answer: i % 2,
  split: SPLITS[i % 3],
}))

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'amalgam-language-'))
  await writeFiles(folder)
})
afterAll(() => rm(folder, { recursive: true }))

async function writeFiles(into: string, graph = languageGraph(languageModel(1))): Promise<void> {
  const lines = (records: readonly object[]): string => records.map(record => `${JSON.stringify(record)}\n`).join('')
  await writeFile(join(into, 'model.onnx'), graph)
  await writeFile(join(into, 'texts.jsonl'), lines(TEXTS.map((text, i) => ({ text, split: SPLITS[i % 3] }))))
  await writeFile(join(into, 'questions.jsonl'), lines(QUESTIONS))
}

const DOCUMENT = {
  kind: 'onnx',
  id: 'language',
  graph: 'model.onnx',
  text: { tokenizer: 'bytes', prefix_token: PREFIX, max_length: MAX },
  tasks: [
    { kind: 'language_model', name: 'texts', data: 'texts.jsonl', split: { column: 'split' } },
    {
      kind: 'multiple_choice',
      name: 'questions',
      data: 'questions.jsonl',
      context: 'Q: {{question}} A:',
      choices: 'choices',
      answer: 'answer',
      split: { column: 'split' },
    },
  ],
}
const ALL = [
  ...['bits_per_byte', 'negative_log_likelihood', 'perplexity', 'byte_perplexity', 'word_perplexity'],
  ...['token_accuracy', 'entropy'],
].map(metric => ({ task: 'texts', metric, name: metric }))
const CHOICE = ['acc', 'acc_norm', 'acc_bytes', 'exact_match', 'negative_log_likelihood'].map(metric => ({
  task: 'questions',
  metric,
  name: `choice_${metric}`,
}))

function make(change: Record<string, unknown> = {}, at = folder): Promise<Evaluator> {
  return createEvaluator(evaluatorReference({ ...DOCUMENT, ...change }, at, 'language.yaml'))
}

/** Scores of the twin: every token of a text once, by windows computed in another way. */
function twinText(seed: number, text: string): { nll: number; hits: number; entropy: number; tokens: number } {
  const tokens = [...Buffer.from(text)]
  const whole = [PREFIX, ...tokens]
  let [nll, hits, entropy] = [0, 0, 0]
  tokens.forEach((token, i) => {
    // Windows of MAX targets, the last one as long as the others.
    const windowEnd = Math.min(tokens.length, (Math.floor(i / MAX) + 1) * MAX)
    const first = Math.max(0, windowEnd - MAX)
    const log = logProbabilities(languageModel(seed), whole.slice(first, i + 1)).at(-1)!
    nll -= log[token]!
    if (log.indexOf(Math.max(...log)) === token) hits++
    entropy -= log.reduce((sum, l) => sum + Math.exp(l) * l, 0)
  })
  return { nll, hits, entropy, tokens: tokens.length }
}

describe('texts', () => {
  it('are scored as a plain float64 model scores them, window by window', async () => {
    const session = await (await make({ objectives: ALL })).open()
    for (const split of SPLITS) {
      const own = TEXTS.filter((_, i) => SPLITS[i % 3] === split)
      const twin = own.map(text => twinText(3, text))
      const sum = (pick: (t: (typeof twin)[number]) => number): number => twin.reduce((s, t) => s + pick(t), 0)
      const [nll, tokens] = [sum(t => t.nll), sum(t => t.tokens)]
      const words = own.reduce((s, text) => s + text.split(/\s+/).length, 0)
      const { values } = await session.score(languageModel(3), split)
      const expected = [
        nll / tokens / Math.LN2,
        nll / tokens,
        Math.exp(nll / tokens),
        Math.exp(nll / tokens),
        Math.exp(nll / words),
        sum(t => t.hits) / tokens,
        sum(t => t.entropy) / tokens,
      ]
      values.forEach((value, i) => {
        expect(Math.abs(value - expected[i]!)).toBeLessThan(1e-5 * Math.max(1, expected[i]!))
      })
    }
    await session.close()
  })

  it('have the score of a uniform guess as reference', async () => {
    const { objectives } = await make({ objectives: ALL })
    const search = TEXTS.filter((_, i) => i % 3 === 0).join('')
    expect(objectives.map(({ reference }) => reference).slice(0, 4)).toEqual([
      expect.closeTo(Math.log2(VOCABULARY), 10),
      expect.closeTo(Math.log(VOCABULARY), 10),
      expect.closeTo(VOCABULARY, 8),
      expect.closeTo(VOCABULARY, 8),
    ])
    expect(search.length).toBeGreaterThan(0)
  })

  it('may be rows of a graph of fixed length and rows, with an attention mask', async () => {
    const own = await mkdtemp(join(folder, 'fixed-'))
    await writeFiles(own, languageGraph(languageModel(1), { batch: 4, length: 16, mask: true }))
    const objectives = [ALL[0], CHOICE[4]]
    const free = await (await make({ objectives })).open()
    const fixed = await (await make({ objectives, batch_size: 4 }, own)).open()
    const [a, b] = [await free.score(languageModel(3), 'search'), await fixed.score(languageModel(3), 'search')]
    a.values.forEach((value, i) => {
      expect(b.values[i]).toBeCloseTo(value, 5)
    })
    await Promise.all([free.close(), fixed.close()])
  })
})

describe('multiple choice', () => {
  it('adds up the likelihoods of the tokens of every choice, as a plain model does', async () => {
    const session = await (await make({ objectives: CHOICE })).open()
    const model = languageModel(5)
    for (const split of SPLITS) {
      const questions = QUESTIONS.filter(question => question.split === split)
      const scored = questions.map(({ question, choices, answer }) => {
        const likelihoods = choices.map(choice => {
          const context = [...Buffer.from(`Q: ${question} A:`)]
          const continuation = [...Buffer.from(` ${choice}`)]
          return continuation.reduce((sum, token, i) => {
            const before = [...context, ...continuation.slice(0, i)]
            const cut = Math.max(0, context.length + continuation.length - 1 - MAX)
            return sum + logProbabilities(model, before.slice(cut)).at(-1)![token]!
          }, 0)
        })
        const best = (size: (choice: string) => number): number => {
          const values = likelihoods.map((value, i) => value / size(choices[i]!))
          return values.indexOf(Math.max(...values)) === answer ? 1 : 0
        }
        const total = likelihoods.reduce((sum, value) => sum + Math.exp(value - likelihoods[answer]!), 0)
        return [
          best(() => 1),
          best(choice => choice.length),
          best(choice => Buffer.byteLength(choice)),
          Math.log(total),
        ]
      })
      const mean = (k: number): number => scored.reduce((sum, row) => sum + row[k]!, 0) / scored.length
      const { values } = await session.score(model, split)
      expect(values.slice(0, 3)).toEqual([mean(0), mean(1), mean(2)])
      expect(values[4]).toBeCloseTo(mean(3), 4)
    }
    await session.close()
  })

  it.each([
    ['no list', { choices: 'question' }, /line 1, "question": a list of at least two texts is required, found "a cat"/],
    ['an answer that is none', { answer: 'question' }, /the answer must be a position from 0 to 1, a letter or one of/],
    ['an unknown column', { context: '{{questoin}}' }, /has no column "questoin"/],
  ])('refuses %s', async (_, change, message) => {
    expect(await rejectionOf(make({ tasks: [{ ...DOCUMENT.tasks[1], ...change }] }))).toMatch(message)
  })
})

describe('rolling windows', () => {
  const tokens = (n: number): number[] => Array.from({ length: n }, (_, i) => i)
  it('are those of lm-evaluation-harness: the last one is as long as the others', () => {
    const plain = rollingWindows(tokens(10), 99, 4).map(({ input, targets }) => [[...input], [...targets]])
    expect(plain).toEqual([
      [
        [99, 0, 1, 2],
        [0, 1, 2, 3],
      ],
      [
        [3, 4, 5, 6],
        [4, 5, 6, 7],
      ],
      [
        [5, 6, 7, 8],
        [8, 9],
      ],
    ])
  })

  it('predict every token once, each from what stands before it', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 60 }), fc.integer({ min: 2, max: 20 }), (n, max) => {
        const seen: number[] = []
        for (const { input, targets } of rollingWindows(tokens(n), 99, max)) {
          expect(input.length).toBeLessThanOrEqual(max)
          targets.forEach((target, t) => {
            const before = input[input.length - targets.length + t]!
            expect(before).toBe(target === 0 ? 99 : target - 1)
            seen.push(target)
          })
        }
        expect(seen).toEqual(tokens(n))
      }),
    )
  })
})

describe('a context and its continuation', () => {
  const encode = (text: string): number[] => [...text].map(c => c.codePointAt(0)!)
  const pair = (context: string, continuation: string): string[] => {
    const { context: a, continuation: b } = encodePair(context, continuation, encode, 0)
    return [String.fromCodePoint(...a), String.fromCodePoint(...b)]
  }
  it('are cut behind the context without the white space at its end', () => {
    expect(pair('Q: a \n', 'b')).toEqual(['Q: a', ' \nb'])
    expect(pair('Q:', ' b')).toEqual(['Q:', ' b'])
  })
  it('have the prefix token as context where there is none', () => {
    expect(pair('', 'b')).toEqual(['\0', 'b'])
    expect(pair(' ', 'b')).toEqual(['\0', ' b'])
  })
  it('are cut as many tokens behind as the context has alone, whatever merges across the border', () => {
    const merging = (text: string): number[] => encode(text.replaceAll('ab', 'X'))
    const { context, continuation } = encodePair('qa', 'b', merging, 0)
    expect([...context, ...continuation]).toEqual(encode('qX'))
    expect(continuation).toEqual([])
  })
  it('lose the front of the context where they are too long', () => {
    const { input, targets } = continuationRow({ context: [1, 2, 3, 4], continuation: [5, 6] }, 3)
    expect([[...input], [...targets]]).toEqual([
      [3, 4, 5],
      [5, 6],
    ])
  })
})

it('words are counted as Python splits them', () => {
  expect(['a b', ' a b ', 'a\u00a0b\u3000c', 'a\x1cb', 'a\ufeffb', ''].map(wordCount)).toEqual([2, 4, 3, 2, 1, 1])
})

describe('a language model evaluator that is refused', () => {
  it.each([
    ['no tokenizer', { text: {} }, /needs a tokenizer/],
    ['no prefix token', { text: { tokenizer: 'bytes', max_length: 4 } }, /needs text\.prefix_token/],
    [
      'a prefix token beyond the vocabulary',
      { text: { ...DOCUMENT.text, prefix_token: 257 } },
      /text\.prefix_token is 257; the graph knows the tokens 0 to 256/,
    ],
    ['no length', { text: { tokenizer: 'bytes', prefix_token: PREFIX } }, /needs text\.max_length/],
    ['another vocabulary', { text: { ...DOCUMENT.text, vocabulary: 300 } }, /text\.vocabulary is 300, but .* has 257/],
    ['a tokenizer that is none', { text: { ...DOCUMENT.text, tokenizer: 'texts.jsonl' } }, /texts\.jsonl is no JSON/],
    [
      'an unknown metric',
      { objectives: [{ task: 'texts', metric: 'bits_per_bite' }] },
      /has no metric "bits_per_bite"; it has bits_per_byte, /,
    ],
    ['an unknown kind of task', { tasks: [{ ...DOCUMENT.tasks[0], kind: 'language' }] }, /kind/],
    ['records of another ending', { tasks: [{ ...DOCUMENT.tasks[0], data: 'model.onnx' }] }, /ends in ".onnx"/],
  ])('%s', async (_, change, message) => {
    expect(await rejectionOf(Promise.resolve().then(() => make(change)))).toMatch(message)
  })
})

describeEvaluator('onnx, language models', async () => {
  const own = temporaryFolder('language-contract')
  await writeFiles(own)
  const objectives = [...ALL.filter(({ metric }) => !metric.includes('perplexity')), ...CHOICE]
  const chance = languageModel(0)
  for (const { data } of chance.tensors.values()) data.fill(0)
  return {
    create: () => make({ objectives }, own),
    model: seed => languageModel(seed),
    means: objectives.map((_, i) => i),
    chance: {
      model: chance,
      values: split => {
        const texts = TEXTS.filter((_, i) => SPLITS[i % 3] === split)
        const questions = QUESTIONS.filter(question => question.split === split)
        const first = questions.filter(({ answer }) => answer === 0).length / questions.length
        const bytes = (choice: string): number => Buffer.byteLength(choice)
        // All tokens equally likely: the choice with the fewest tokens wins, and by size the one with the most bytes or characters a token.
        const by = (size: (choice: string) => number): number =>
          questions.filter(({ choices, answer }) => {
            const values = choices.map(choice => -(bytes(choice) + 1) / size(choice))
            return values.indexOf(Math.max(...values)) === answer
          }).length / questions.length
        const nll =
          questions.reduce((sum, { choices, answer }) => {
            const p = choices.map(choice => VOCABULARY ** -(bytes(choice) + 1))
            return sum - Math.log(p[answer]! / p.reduce((a, b) => a + b, 0))
          }, 0) / questions.length
        const uniform = Math.log(VOCABULARY)
        expect(texts.length).toBe(4)
        expect(first).toBeGreaterThan(0)
        return [
          Math.log2(VOCABULARY),
          uniform,
          0, // ties go to token 0, which no text has
          uniform,
          by(() => 1),
          by(choice => [...choice].length),
          by(bytes),
          0,
          nll,
        ]
      },
    },
    separating: { model: languageModel(11), objective: 0 },
  }
})
