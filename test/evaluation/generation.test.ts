import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { InferenceSession, Tensor } from 'onnxruntime-node'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Evaluator } from '../../src/evaluation/evaluator.ts'
import { readExpert } from '../../src/evaluation/onnx/expert-model.ts'
import { cutAtStop, normalised } from '../../src/evaluation/onnx/language/answers.ts'
import { createEvaluator, evaluatorReference } from '../../src/evaluation/registry.ts'
import type { MergedModel } from '../../src/merge/model.ts'
import { describeEvaluator } from '../contracts/evaluator-contract.ts'
import { temporaryFolder } from '../helpers/temporary-folders.ts'
import { rejectionOf } from '../helpers/thrown.ts'
import { cachedGraph, cachedModel, languageGraph, languageModel, PREFIX } from './language-fixture.ts'

const ROOT = fileURLToPath(new URL('../../', import.meta.url))
const SPLITS = ['search', 'select', 'holdout'] as const
const MAX = 40
const PROMPTS = ['a', 'bc', 'def', 'a longer prompt', 'é', 'x y', 'the', 'a rather longer prompt', 'z', 'qq', 'end', '']

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'amalgam-generation-'))
})
afterAll(() => rm(folder, { recursive: true }))

/** What one prompt alone gives, the whole text through the graph for each token. */
async function plainLoop(
  graph: Uint8Array | string,
  feeds: (ids: readonly number[]) => Readonly<Record<string, Tensor>>,
  prompts: readonly (readonly number[])[],
  isComplete: (generated: readonly number[]) => boolean,
): Promise<readonly (readonly number[])[]> {
  const session = await (typeof graph === 'string' ? InferenceSession.create(graph) : InferenceSession.create(graph))
  const results: number[][] = []
  for (const prompt of prompts) {
    const generated: number[] = []
    do {
      const ids = [...prompt, ...generated]
      const { logits } = await session.run(feeds(ids), ['logits'])
      const last = (logits!.data as Float32Array).subarray(-logits!.dims[2]!)
      generated.push(last.indexOf(Math.max(...last)))
    } while (!isComplete(generated))
    results.push(generated)
  }
  await session.release()
  return results
}

const longs = (values: readonly number[], dims = [1, values.length]): Tensor =>
  new Tensor('int64', BigInt64Array.from(values, BigInt), dims)
const weightFeeds = ({ tensors }: MergedModel): Record<string, Tensor> =>
  Object.fromEntries([...tensors].map(([name, { data, shape }]) => [name, new Tensor('float32', data, [...shape])]))

const lines = (records: readonly object[]): string => records.map(record => `${JSON.stringify(record)}\n`).join('')

/** Each prompt with the right answer, or on every other one with another. */
async function writePrompts(file: string, prompts: readonly string[], answers: readonly string[]): Promise<void> {
  const records = prompts.map((prompt, i) => ({
    prompt,
    answer: i % 2 === 0 ? ['none', answers[i]] : `${answers[i]}?`,
    split: SPLITS[i % 3],
  }))
  await writeFile(file, lines(records))
}

/** Of a split whose records have no strata every record is in the order; scores are compared as a set of prompts → score. */
async function scoresOf(evaluator: Evaluator, model: MergedModel): Promise<readonly (readonly number[])[]> {
  const session = await evaluator.open()
  const found = []
  for (const split of SPLITS) {
    const { exampleScores } = await session.score(model, split)
    found.push([...exampleScores[0]!], [...exampleScores[1]!])
  }
  await session.close()
  return found
}

const objectives = [
  { task: 'answers', metric: 'exact_match' },
  { task: 'answers', metric: 'tokens' },
]

describe('the tiny Llama', () => {
  it('generates what a plain loop over single prompts generates', async () => {
    const graph = join(ROOT, 'examples/tiny-llama/llama.onnx')
    const model = readExpert(join(ROOT, 'examples/tiny-llama/english/model.safetensors'))
    const text = await readFile(join(ROOT, 'examples/tiny-llama/data/english.jsonl'), 'utf8')
    const passages = text.split('\n').flatMap(line => (line === '' ? [] : [String(JSON.parse(line).text)]))
    const prompts = passages.slice(0, 24).map((passage, i) => passage.slice(0, 5 + ((i * 7) % 50)))
    const weights = weightFeeds(model)
    const most = 16
    const generated = await plainLoop(
      graph,
      ids => ({ ...weights, input_ids: longs(ids) }),
      prompts.map(prompt => [...Buffer.from(prompt)]),
      own => own.length === most || own.at(-1) === 0 || Buffer.from(own).toString().includes(' '),
    )
    const answers = generated.map(own => Buffer.from(own).toString().split(' ')[0]!)
    expect(new Set(answers).size).toBeGreaterThan(8)
    await writePrompts(join(folder, 'llama.jsonl'), prompts, answers)
    const evaluator = await createEvaluator(
      evaluatorReference(
        {
          kind: 'onnx',
          id: 'llama',
          graph,
          threads: 1, // trying several is not what is tested, and takes longest where tests run beside each other
          constants: ['*.table'],
          text: { tokenizer: 'bytes', prefix_token: 0, max_length: 256 },
          tasks: [
            {
              kind: 'generation',
              name: 'answers',
              data: 'llama.jsonl',
              prompt: 'prompt',
              answer: 'answer',
              max_new_tokens: most,
              stop: ' ',
              end_token: 0,
              normalise: { strip: false },
              split: { column: 'split' },
            },
          ],
          objectives,
        },
        folder,
        'llama.yaml',
      ),
    )
    const found = await scoresOf(evaluator, model)
    SPLITS.forEach((split, s) => {
      const own = prompts.flatMap((_, i) => (SPLITS[i % 3] === split ? [i] : []))
      expect([...found[2 * s]!].sort()).toEqual(own.map(i => (i % 2 === 0 ? 1 : 0)).sort())
      expect([...found[2 * s + 1]!].sort()).toEqual(own.map(i => generated[i]!.length).sort())
      // Pairs, not only counts: of the right ones the tokens are those of the even prompts.
      const right = found[2 * s + 1]!.filter((_, k) => found[2 * s]![k] === 1)
      expect(right.sort()).toEqual(own.flatMap(i => (i % 2 === 0 ? [generated[i]!.length] : [])).sort())
    })
  }, 60_000)
})

const DOCUMENT = {
  kind: 'onnx',
  id: 'generation',
  graph: 'cached.onnx',
  weights: 'inputs',
  text: { tokenizer: 'bytes', prefix_token: PREFIX, max_length: MAX },
  tasks: [
    {
      kind: 'generation',
      name: 'answers',
      data: 'prompts.jsonl',
      prompt: 'prompt',
      answer: 'answer',
      max_new_tokens: 12,
      normalise: { strip: false },
      split: { column: 'split' },
    },
    { kind: 'language_model', name: 'texts', data: 'texts.jsonl', split: { column: 'split' } },
  ],
  objectives: [...objectives, { task: 'texts', metric: 'bits_per_byte' }],
}

/** The cached graph and the same without a cache: prompts, and the answers of the model of a seed. */
async function writeFiles(into: string, seed: number): Promise<readonly (readonly number[])[]> {
  const model = cachedModel(seed)
  const graph = cachedGraph(model)
  const empty = new Tensor('float32', new Float32Array(0), [1, 1, 0, 8])
  const generated = await plainLoop(
    graph,
    ids => ({
      input_ids: longs(ids),
      attention_mask: longs(ids.map(() => 1)),
      position_ids: longs([...ids.keys()]),
      'past_key_values.0.key': empty,
      'past_key_values.0.value': empty,
    }),
    PROMPTS.map(prompt => (prompt === '' ? [PREFIX] : [...Buffer.from(prompt)])),
    own => own.length === 12,
  )
  const answers = generated.map(own => new TextDecoder().decode(Uint8Array.from(own.filter(id => id < 256))))
  await writeFile(join(into, 'cached.onnx'), graph)
  await writeFile(join(into, 'plain.onnx'), languageGraph(languageModel(seed)))
  await writePrompts(join(into, 'prompts.jsonl'), PROMPTS, answers)
  await writeFile(
    join(into, 'texts.jsonl'),
    lines(PROMPTS.map((text, i) => ({ text: `${text}${i}!`, split: SPLITS[i % 3] }))),
  )
  return generated
}

describe('a graph with a key-value cache', () => {
  it.each([256, 2, 1])('generates what whole texts give one by one, in batches of %i', async batch_size => {
    const own = await mkdtemp(join(folder, 'cached-'))
    const generated = await writeFiles(own, 4)
    expect(new Set(generated.flat()).size).toBeGreaterThan(5)
    const document = { ...DOCUMENT, batch_size }
    const found = await scoresOf(await createEvaluator(evaluatorReference(document, own, 'g.yaml')), cachedModel(4))
    // Every prompt's own answer is right, and only that: even prompts are right, the others are not.
    expect(SPLITS.map((_, s) => found[2 * s]!.reduce((a, b) => a + b, 0))).toEqual([2, 2, 2])
    expect(found[1]).toEqual([12, 12, 12, 12])
    const other = await scoresOf(await createEvaluator(evaluatorReference(document, own, 'g.yaml')), cachedModel(5))
    expect(other[0]!.every(score => score === 0)).toBe(true)
  })

  it.each([
    [
      'without the output of an input',
      (inputs: readonly object[]) => [...inputs, { name: 'past_key_values.1.key', shape: ['batch', 1, 'past', 8] }],
      /has the input "past_key_values\.1\.key" and no output "present\.1\.key"/,
    ],
    [
      'of a fixed number of tokens',
      (inputs: readonly { name: string }[]) =>
        inputs.map(input => (input.name.endsWith('key') ? { ...input, shape: ['batch', 1, 7, 8] } : input)),
      /"past_key_values\.0\.key" must have shape \[batch, heads, tokens so far, width\].*it has \[batch, 1, 7, 8\]/,
    ],
  ])('is refused %s', async (_, change, message) => {
    const own = await mkdtemp(join(folder, 'refused-'))
    await writeFiles(own, 4)
    await writeFile(join(own, 'cached.onnx'), cachedGraph(cachedModel(4), change as never))
    expect(await rejectionOf(createEvaluator(evaluatorReference(DOCUMENT, own, 'g.yaml')))).toMatch(message)
  })
})

describe('a generation task that is refused', () => {
  it.each([
    [
      'no room for a prompt',
      { max_new_tokens: MAX },
      /max_new_tokens is 40, and the model takes 40 tokens: none is left/,
    ],
    [
      'an end token beyond the vocabulary',
      { end_token: [257] },
      /end_token is 257; the graph knows the tokens 0 to 256/,
    ],
    ['an empty stop', { stop: [''] }, /stop/],
    ['an unknown column', { prompt: '{{promt}}' }, /has no column "promt"/],
    ['an answer that is none', { answer: 'bad' }, /line 1, "bad": a text, a number or a list of at least one of them/],
    ['a prompt that is no text', { prompt: 'bad' }, /line 1, "bad": text is required/],
  ])('%s', async (_, change, message) => {
    const own = await mkdtemp(join(folder, 'bad-'))
    await writeFiles(own, 4)
    const records = PROMPTS.map((prompt, i) => ({ prompt, answer: 'x', split: SPLITS[i % 3], bad: [{ a: 1 }] }))
    await writeFile(join(own, 'prompts.jsonl'), lines(records))
    const tasks = [{ ...DOCUMENT.tasks[0], ...change }]
    const made = Promise.resolve().then(() =>
      createEvaluator(evaluatorReference({ ...DOCUMENT, tasks, objectives }, own, 'g.yaml')),
    )
    expect(await rejectionOf(made)).toMatch(message)
  })
})

describe('answers', () => {
  const all = { strip: false, ignore_spaces: false, ignore_case: false, ignore_punctuation: false }
  it('are cut where the first stop begins', () => {
    expect(cutAtStop('one\ntwo. three', ['.', '\n', 'x'])).toBe('one')
    expect(cutAtStop('one', ['.'])).toBe('one')
    expect(cutAtStop('.', ['.'])).toBe('')
  })
  it('are compared as the options say', () => {
    expect(normalised(' A  b! ', all)).toBe(' A  b! ')
    expect(normalised(' A  b! ', { ...all, strip: true })).toBe('A  b!')
    expect(normalised(' A  b! ', { ...all, strip: true, ignore_spaces: true, ignore_case: true })).toBe('a b!')
    expect(normalised('“A”, b!', { ...all, ignore_punctuation: true })).toBe('A b')
    expect(normalised('e\u0301', all)).toBe('\u00e9')
  })
})

for (const [graph, model] of [
  ['cached.onnx', cachedModel],
  ['plain.onnx', languageModel],
] as const)
  describeEvaluator(`onnx, generation, ${graph}`, async () => {
    const own = temporaryFolder('generation-contract')
    await writeFiles(own, 1)
    const chance = model(0)
    for (const { data } of chance.tensors.values()) data.fill(0)
    return {
      create: () => createEvaluator(evaluatorReference({ ...DOCUMENT, graph }, own, 'g.yaml')),
      model: (seed: number) => model(seed),
      means: [0, 1, 2],
      // All tokens equally likely: the first one, byte 0, every time.
      chance: { model: chance, values: () => [0, 12, Math.log2(257)] },
      separating: { model: model(11), objective: 2 },
    }
  })
