import { mkdir, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { InferenceSession, Tensor } from 'onnxruntime-node'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { InputFiles } from '../../src/evaluation/data/files.ts'
import { SPLITS } from '../../src/evaluation/evaluator.ts'
import { onnxEvaluator } from '../../src/evaluation/onnx/evaluator.ts'
import { readExpert } from '../../src/evaluation/onnx/expert-model.ts'
import { rollingWindows } from '../../src/evaluation/onnx/language/windows.ts'
import { onnxOptionsSchema } from '../../src/evaluation/onnx/options.ts'
import { planOnnx } from '../../src/evaluation/onnx/plan.ts'
import { type OnnxSession, openOnnxSession } from '../../src/evaluation/onnx/session.ts'
import { createEvaluator, evaluatorReference } from '../../src/evaluation/registry.ts'
import { addGraphOutputs } from '../../src/formats/onnx-rewrite.ts'
import type { MergedModel } from '../../src/merge/model.ts'
import { describeEvaluator } from '../contracts/evaluator-contract.ts'
import { rejectionOf } from '../helpers/thrown.ts'
import {
  TEXTS as ALL_TEXTS,
  languageGraph,
  languageModel,
  logProbabilities,
  PREFIX,
  VOCABULARY,
} from './language-fixture.ts'

const ROOT = fileURLToPath(new URL('../../', import.meta.url))
const LLAMA = join(ROOT, 'examples/tiny-llama')
const MAX = 12
const TEXTS = ALL_TEXTS.slice(0, 9)
const METRICS = ['expert_divergence', 'expert_agreement', 'hidden_similarity', 'entropy']
const DOCUMENT = {
  graph: 'model.onnx',
  weights: 'inputs',
  text: { tokenizer: 'bytes', prefix_token: PREFIX, max_length: MAX },
  tasks: [
    {
      kind: 'language_model',
      name: 'texts',
      data: 'texts.jsonl',
      split: { column: 'split' },
      expert: 'expert.onnx',
      hidden: 'h',
    },
  ],
  objectives: METRICS.map(metric => ({ task: 'texts', metric, name: metric })),
}
const TASK = DOCUMENT.tasks[0]!

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'amalgam-unlabelled-language-'))
  await writeFiles(folder)
})
afterAll(() => rm(folder, { recursive: true }))

async function writeFiles(into: string, options: Parameters<typeof languageGraph>[1] = {}): Promise<void> {
  await mkdir(into, { recursive: true })
  await writeFile(join(into, 'model.onnx'), languageGraph(languageModel(1), options))
  await writeFile(join(into, 'expert.onnx'), languageGraph(languageModel(9)))
  const records = TEXTS.map((text, i) => `${JSON.stringify({ text, split: SPLITS[i % 3] })}\n`)
  await writeFile(join(into, 'texts.jsonl'), records.join(''))
}

const make = (change: object = {}, at = folder) =>
  createEvaluator(evaluatorReference({ kind: 'onnx', id: 'texts', ...DOCUMENT, ...change }, at, 'texts.yaml'))

/** With a limit of one's own to what is kept of experts, in bytes. */
async function openLimited(limit: number | undefined, at = folder): Promise<OnnxSession> {
  const options = onnxEvaluator.resolvePaths(onnxOptionsSchema.parse(DOCUMENT), at)
  return openOnnxSession(
    await planOnnx('texts', options, new InputFiles()),
    limit === undefined ? {} : { keptBytes: limit },
  )
}

describe('texts without labels', () => {
  it('are scored as a plain loop over single texts scores them, at the shipped Llama', async () => {
    const at = join(folder, 'llama')
    await mkdir(at)
    const texts = SPLITS.flatMap(split =>
      ['export const a = 1', 'What is it?', 'A text that is a bit longer, 48 byte'].map(text => ({ text, split })),
    )
    await writeFile(join(at, 'texts.jsonl'), texts.map(record => `${JSON.stringify(record)}\n`).join(''))
    const hidden = 'mul.268' // what the logits are made of, shape (batch × time, 128)
    const evaluator = await make(
      {
        graph: join(LLAMA, 'llama.onnx'),
        threads: 1,
        constants: ['*.table'],
        text: { tokenizer: 'bytes', prefix_token: 0, max_length: 24 },
        tasks: [{ ...TASK, expert: join(LLAMA, 'english'), hidden }],
      },
      at,
    )
    const session = await evaluator.open()
    const model = readExpert(join(LLAMA, 'declarations'))
    const { values, exampleScores } = await session.score(model, 'search')
    await session.close()

    const bytes = addGraphOutputs(await readFile(join(LLAMA, 'llama.onnx')), [hidden], 'llama.onnx')
    const plain = await InferenceSession.create(bytes)
    const run = async ({ tensors }: MergedModel, input: Int32Array) => {
      const weights = [...tensors].map(([name, { data, shape }]) => [name, new Tensor('float32', data, shape)])
      const ids = new Tensor('int64', BigInt64Array.from(input, BigInt), [1, input.length])
      const found = await plain.run({ ...Object.fromEntries(weights), input_ids: ids }, ['logits', hidden])
      const rows = (name: string, width: number): number[][] =>
        Array.from({ length: input.length }, (_, t) =>
          Array.from((found[name]!.data as Float32Array).subarray(t * width, (t + 1) * width)),
        )
      return { logits: rows('logits', 256), hidden: rows(hidden, 128) }
    }
    const expert = readExpert(join(LLAMA, 'english'))
    const softmax = (z: readonly number[]): number[] => {
      const e = z.map(value => Math.exp(value - Math.max(...z)))
      return e.map(value => value / e.reduce((a, b) => a + b, 0))
    }
    const dot = (a: readonly number[], b: readonly number[]): number => a.reduce((sum, x, i) => sum + x * b[i]!, 0)
    const twins: number[][] = []
    let [entropies, tokens] = [0, 0]
    for (const { text } of texts.filter(({ split }) => split === 'search')) {
      let [kl, same, cosine, count] = [0, 0, 0, 0]
      for (const { input, targets } of rollingWindows([...Buffer.from(text)], 0, 24)) {
        const [theirs, ours] = [await run(expert, input), await run(model, input)]
        for (let t = input.length - targets.length; t < input.length; t++, count++) {
          const [p, q] = [softmax(theirs.logits[t]!), softmax(ours.logits[t]!)]
          kl += p.reduce((sum, value, v) => sum + value * Math.log(value / q[v]!), 0)
          if (p.indexOf(Math.max(...p)) === q.indexOf(Math.max(...q))) same++
          const [a, b] = [theirs.hidden[t]!, ours.hidden[t]!]
          cosine += dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b))
          entropies -= q.reduce((sum, value) => sum + value * Math.log(value), 0)
        }
      }
      tokens += count
      twins.push([kl / count, same / count, cosine / count])
    }
    expect(twins.length).toBe(3)
    for (const [k, scores] of exampleScores.slice(0, 3).entries()) {
      const twin = twins.map(text => text[k]!)
      // The order of the split is its own.
      const [found, expected] = [[...scores].sort((a, b) => a - b), twin.toSorted((a, b) => a - b)]
      found.forEach((score, i) => {
        expect(Math.abs(score - expected[i]!)).toBeLessThan(1e-6)
      })
      expect(Math.abs(values[k]! - twin.reduce((a, b) => a + b, 0) / 3)).toBeLessThan(1e-6)
    }
    expect(Math.abs(values[3]! - entropies / tokens)).toBeLessThan(1e-6)
    expect(values[0]).toBeGreaterThan(0.1)
    expect(values[1]).toBeLessThan(1)
    await plain.release()
  })

  it.each(['inputs', 'initializers', 'auto'])('have an expert that is right: weights as %s', async weights => {
    const session = await (await make({ weights })).open()
    for (const split of SPLITS) {
      const { values, exampleScores } = await session.score(languageModel(9), split)
      expect(values.slice(0, 2)).toEqual([0, 1])
      expect(values[2]).toBeCloseTo(1, 7)
      for (const score of exampleScores[0]!) expect(score).toBe(0)
      expect((await session.score(languageModel(3), split)).values[0]).toBeGreaterThan(0.1)
    }
    await session.close()
  })

  it('have the same scores whatever the size of a batch, and where texts are asked for one by one', async () => {
    const all = await (await make()).open()
    const { exampleScores } = await all.score(languageModel(3), 'search')
    for (const batch_size of [1, 2]) {
      const session = await (await make({ batch_size })).open()
      expect((await session.score(languageModel(3), 'search')).exampleScores).toEqual(exampleScores)
      await session.close()
    }
    const parts = await (await make()).open()
    for (const begin of [2, 0, 1]) {
      const ranges = METRICS.map(() => ({ begin, end: begin + 1 }))
      const part = await parts.score(languageModel(3), 'search', ranges)
      expect(part.exampleScores).toEqual(exampleScores.map(scores => scores.slice(begin, begin + 1)))
    }
    await all.close()
    await parts.close()
  })

  it('may be padded to the fixed length of a graph with an attention mask', async () => {
    const at = join(folder, 'fixed')
    await writeFiles(at, { batch: 4, length: 16, mask: true })
    const [free, fixed] = [await (await make()).open(), await (await make({ batch_size: 4 }, at)).open()]
    const [a, b] = [await free.score(languageModel(3), 'search'), await fixed.score(languageModel(3), 'search')]
    a.values.forEach((value, i) => {
      expect(b.values[i]).toBeCloseTo(value, 5)
    })
    await Promise.all([free.close(), fixed.close()])
  })

  it('are compared to the same bits where nothing, something or all of the expert fits into memory', async () => {
    const at = join(folder, 'memory')
    await writeFiles(at)
    const limits = [0, 4 * 10 * (VOCABULARY + 8), undefined]
    const sessions = await Promise.all(limits.map(limit => openLimited(limit, at)))
    const first = await Promise.all(sessions.map(session => session.score(languageModel(3), 'search')))
    const second = await Promise.all(sessions.map(session => session.score(languageModel(4), 'search')))
    for (const results of [first, second])
      for (const { values, exampleScores } of results) {
        expect(values).toEqual(results[0]!.values)
        expect(exampleScores).toEqual(results[0]!.exampleScores)
      }
    // Only what is kept can do without the expert.
    await rename(join(at, 'expert.onnx'), join(at, 'away.onnx'))
    expect((await sessions[2]!.score(languageModel(3), 'search')).values).toEqual(first[2]!.values)
    for (const session of sessions.slice(0, 2))
      expect(await rejectionOf(session.score(languageModel(3), 'search'))).toMatch(/expert\.onnx/)
    await Promise.all(sessions.map(session => session.close()))
  })

  it('need no expert for objectives that do not compare', async () => {
    const at = join(folder, 'alone')
    await writeFiles(at)
    const session = await (await make({ objectives: DOCUMENT.objectives.slice(2) }, at)).open()
    await rm(join(at, 'expert.onnx'))
    const none = { begin: 0, end: 0 }
    const { values } = await session.score(languageModel(3), 'search', [none, { begin: 0, end: 3 }])
    expect(values[1]).toBeGreaterThan(0)
    await session.close()
  })

  it('are compared under the head of their task, the expert’s too', async () => {
    const at = join(folder, 'heads')
    await writeFiles(at)
    await writeFile(join(at, 'head.onnx'), languageGraph(languageModel(5)))
    const session = await (await make({ heads: ['head'], tasks: [{ ...TASK, head: 'head.onnx' }] }, at)).open()
    const without = ({ tensors }: MergedModel): MergedModel => ({
      tensors: new Map([...tensors].filter(([name]) => name !== 'head')),
    })
    expect((await session.score(without(languageModel(9)), 'search')).values.slice(0, 2)).toEqual([0, 1])
    expect((await session.score(without(languageModel(3)), 'search')).values[0]).toBeGreaterThan(0.01)
    await session.close()
  })

  it('have an expert whose contents decide the scores', async () => {
    const at = join(folder, 'digest')
    await writeFiles(at)
    const before = await make({}, at)
    expect(Object.keys(before.inputs)).toContain(join(at, 'expert.onnx'))
    await writeFile(join(at, 'expert.onnx'), languageGraph(languageModel(10)))
    expect((await make({}, at)).digest).not.toBe(before.digest)
  })

  it.each([
    [
      'nothing to compare with',
      { expert: undefined, hidden: undefined },
      /has no metric "expert_divergence"; it has bits_/,
    ],
    [
      'hidden values alone',
      { expert: undefined },
      /ConfigError: .*names "h" under "hidden", and no model to compare it/,
    ],
    ['an expert that is not there', { expert: 'gone.safetensors' }, /gone\.safetensors does not exist/],
    ['a value that the graph lacks', { hidden: 'nothing' }, /nothing/],
  ])('are refused with %s', async (_, change, message) => {
    expect(await rejectionOf(make({ tasks: [{ ...TASK, ...change }] }).then(evaluator => evaluator.open()))).toMatch(
      message,
    )
  })

  it('are refused where a hidden value has no vector per token, or the expert is another architecture', async () => {
    const wide = await (await make({ tasks: [{ ...TASK, hidden: 'kt' }] })).open()
    expect(await rejectionOf(wide.score(languageModel(3), 'search'))).toMatch(
      /EvaluatorError: "kt", named by "hidden", must have shape \[\d+, 12, width\] or \[\d+, width\]; it has \[\d+, 8, 12\]\./,
    )
    await wide.close()
    const other = await (
      await make({ tasks: [{ ...TASK, expert: join(ROOT, 'examples/digits/low.safetensors') }] })
    ).open()
    expect(await rejectionOf(other.score(languageModel(3), 'search'))).toMatch(
      /EvaluatorError: The weights of .* do not match/,
    )
    await other.close()
  })
})

describeEvaluator('onnx, language models beside an expert', async () => {
  const own = join(folder, 'contract')
  await writeFiles(own)
  const chance = languageModel(0)
  for (const { data } of chance.tensors.values()) data.fill(0)
  const expert = languageModel(9)
  return {
    create: () => make({}, own),
    model: seed => languageModel(seed),
    means: METRICS.map((_, i) => i),
    chance: {
      model: chance,
      // All tokens equally likely, so token 0 is the most likely one; hidden vectors are zero.
      values: split => {
        const texts = TEXTS.filter((_, i) => SPLITS[i % 3] === split).map(text => {
          const positions = rollingWindows([...Buffer.from(text)], PREFIX, MAX).flatMap(({ input, targets }) =>
            logProbabilities(expert, [...input]).slice(-targets.length),
          )
          const kl = positions.map(log => Math.log(VOCABULARY) + log.reduce((sum, l) => sum + Math.exp(l) * l, 0))
          const zero = positions.filter(log => log.indexOf(Math.max(...log)) === 0)
          return [kl.reduce((a, b) => a + b, 0) / positions.length, zero.length / positions.length]
        })
        const mean = (k: number): number => texts.reduce((sum, text) => sum + text[k]!, 0) / texts.length
        return [mean(0), mean(1), 0, Math.log(VOCABULARY)]
      },
    },
    separating: { model: languageModel(11), objective: 0 },
  }
})

it('the shipped Llama can be merged without a label: every expert is right on its own texts, and their average is nearer than the base', async () => {
  const text = await readFile(join(ROOT, 'evaluators/tiny-llama-unlabelled.yaml'), 'utf8')
  // One thread: trying several takes most of the time where tests run beside each other, and has tests of its own.
  const document = { ...parse(text), threads: 1 }
  const evaluator = await createEvaluator(evaluatorReference(document, join(ROOT, 'evaluators'), 'u.yaml'))
  const session = await evaluator.open()
  const some = [0, 1, 2].map(() => ({ begin: 0, end: 4 }))
  const scored = async (model: MergedModel) => (await session.score(model, 'select', some)).values
  const experts = ['english', 'javascript', 'declarations'].map(name => readExpert(join(LLAMA, name)))
  for (const [i, model] of experts.entries()) {
    const values = await scored(model)
    expect(values[i]).toBe(0)
    for (const [j, value] of values.entries()) if (j !== i) expect(value).toBeGreaterThan(0.1)
  }
  const sum = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0)
  const average: MergedModel = {
    tensors: new Map(
      [...experts[0]!.tensors].map(([name, view]) => [
        name,
        { ...view, data: view.data.map((_, i) => sum(experts.map(({ tensors }) => tensors.get(name)!.data[i]!)) / 3) },
      ]),
    ),
  }
  expect(sum(await scored(average))).toBeLessThan(sum(await scored(readExpert(join(LLAMA, 'base')))))
  await session.close()
})
