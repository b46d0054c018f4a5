import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'
import { createEvaluator, evaluatorReference } from '../../src/evaluation/registry.ts'
import { decodeToFloat32 } from '../../src/formats/dtype.ts'
import { openCheckpoint } from '../../src/formats/open-file.ts'
import type { MergedModel, TensorView } from '../../src/merge/model.ts'

const HOME = fileURLToPath(new URL('../../examples/tiny-llama/', import.meta.url))
const DOMAINS = ['english', 'javascript', 'declarations'] as const

interface Example {
  readonly text: string
  readonly split: string
  readonly from: string
}

function examplesOf(domain: string): Example[] {
  const lines = readFileSync(join(HOME, 'data', `${domain}.jsonl`), 'utf8')
    .trimEnd()
    .split('\n')
  return lines.map(line => JSON.parse(line))
}

function load(name: string): MergedModel {
  const checkpoint = openCheckpoint(join(HOME, name))
  const tensors = new Map<string, TensorView>()
  for (const [tensor, { shape }] of checkpoint.tensors) {
    const data = new Float32Array(shape.reduce((product, dim) => product * dim, 1))
    decodeToFloat32(checkpoint.read(tensor), 'BF16', data)
    tensors.set(tensor, { dtype: 'float32', shape, data })
  }
  checkpoint.close()
  return { tensors }
}

it.each(DOMAINS)('%s: no two splits share a file, and examples are all there', domain => {
  const examples = examplesOf(domain)
  const splits = new Map<string, Set<string>>()
  for (const { from, split } of examples) splits.set(from, (splits.get(from) ?? new Set()).add(split))
  expect([...splits.values()].every(({ size }) => size === 1)).toBe(true)
  const count = (split: string): number => examples.filter(example => example.split === split).length
  expect(['search', 'select', 'holdout'].map(count)).toEqual([64, 64, 192])
  expect(examples.every(({ text }) => text.length === 256)).toBe(true)
})

it('the graph computes what the architecture says: likelihoods as a plain twin has them', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'amalgam-tiny-llama-'))
  const texts = ['# A heading and a line of prose', 'const half = x => x / 2 // halved']
  const lines = [
    ...texts.map(text => ({ text, split: 'search' })),
    { text: 'a', split: 'select' },
    { text: 'b', split: 'holdout' },
  ]
  writeFileSync(join(folder, 'texts.jsonl'), lines.map(line => JSON.stringify(line)).join('\n'))
  const document = {
    kind: 'onnx',
    id: 'twin',
    graph: join(HOME, 'llama.onnx'),
    constants: ['*.table'],
    text: { tokenizer: 'bytes', prefix_token: 0, max_length: 24 },
    tasks: [{ kind: 'language_model', name: 'texts', data: 'texts.jsonl', split: { column: 'split' } }],
    objectives: [{ task: 'texts', metric: 'bits_per_byte' }],
  }
  const session = await (await createEvaluator(evaluatorReference(document, folder, 'twin.yaml'))).open()
  const model = load('english')
  const { values } = await session.score(model, 'search')
  await session.close()
  rmSync(folder, { recursive: true })
  const nats = texts.reduce((sum, text) => sum + rollingNats(model, Buffer.from(text), 24), 0)
  expect(values[0]).toBeCloseTo(nats / Math.LN2 / texts.join('').length, 5)
})

/** Nats of a text in windows of `length` tokens, each predicted once; the last window is filled up with tokens already predicted. */
function rollingNats(model: MergedModel, bytes: Uint8Array, length: number): number {
  const tokens = [0, ...bytes]
  let nats = 0
  for (let begin = 0; begin < bytes.length; begin += length) {
    const end = Math.min(begin + length, bytes.length)
    const first = Math.max(0, end - length)
    const logits = llamaLogits(model, tokens.slice(first, end))
    for (let t = begin; t < end; t++) {
      const row = logits[t - first]!
      const most = Math.max(...row)
      nats += most + Math.log(row.reduce((sum, x) => sum + Math.exp(x - most), 0)) - row[tokens[t + 1]!]!
    }
  }
  return nats
}

/** The forward pass of Llama, one position after another, in float64: tokens (time,) → logits (time, vocabulary). */
function llamaLogits({ tensors }: MergedModel, tokens: readonly number[]): number[][] {
  const [heads, width] = [4, 32]
  const weight = (name: string): Float32Array => tensors.get(`${name}.weight`)!.data
  const times = (name: string, x: readonly number[]): number[] => {
    const w = weight(name)
    return Array.from({ length: w.length / x.length }, (_, o) =>
      x.reduce((sum, value, i) => sum + value * w[o * x.length + i]!, 0),
    )
  }
  const norm = (name: string, x: readonly number[]): number[] => {
    const scale = 1 / Math.sqrt(x.reduce((sum, value) => sum + value * value, 0) / x.length + 1e-5)
    return x.map((value, i) => value * scale * weight(name)[i]!)
  }
  const rotate = (x: readonly number[], position: number): number[] =>
    x.map((value, i) => {
      const k = i % width
      const angle = position * 10000 ** ((-2 * (k % (width / 2))) / width)
      const partner = k < width / 2 ? -x[i + width / 2]! : x[i - width / 2]!
      return value * Math.cos(angle) + partner * Math.sin(angle)
    })
  const embeddings = weight('model.embed_tokens')
  let states = tokens.map(token => [...embeddings.subarray(token * 128, (token + 1) * 128)])
  for (let layer = 0; layer < 5; layer++) {
    const at = `model.layers.${layer}`
    const normed = states.map(x => norm(`${at}.input_layernorm`, x))
    const q = normed.map((x, t) => rotate(times(`${at}.self_attn.q_proj`, x), t))
    const k = normed.map((x, t) => rotate(times(`${at}.self_attn.k_proj`, x), t))
    const v = normed.map(x => times(`${at}.self_attn.v_proj`, x))
    states = states.map((x, t) => {
      const mixed = Array.from({ length: heads }, (_, head) => {
        const own = (y: readonly number[]): readonly number[] => y.slice(head * width, (head + 1) * width)
        const scores = k
          .slice(0, t + 1)
          .map(key => own(key).reduce((sum, value, i) => sum + value * own(q[t]!)[i]!, 0) / Math.sqrt(width))
        const shares = scores.map(score => Math.exp(score - Math.max(...scores)))
        const total = shares.reduce((sum, share) => sum + share, 0)
        return Array.from({ length: width }, (_, i) =>
          shares.reduce((sum, share, past) => sum + (share / total) * own(v[past]!)[i]!, 0),
        )
      }).flat()
      const attended = times(`${at}.self_attn.o_proj`, mixed).map((value, i) => value + x[i]!)
      const inner = norm(`${at}.post_attention_layernorm`, attended)
      const up = times(`${at}.mlp.up_proj`, inner)
      const gated = times(`${at}.mlp.gate_proj`, inner).map((g, i) => (g / (1 + Math.exp(-g))) * up[i]!)
      return times(`${at}.mlp.down_proj`, gated).map((value, i) => value + attended[i]!)
    })
  }
  return states.map(x => times('model.embed_tokens', norm('model.norm', x)))
}
