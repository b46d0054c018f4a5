import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { buildOnnxModel, type OnnxInitializerSpec, type OnnxNodeSpec, type OnnxValueSpec } from 'amalgam'

// The Llama of config.json as an ONNX graph whose weights are inputs, named as in the checkpoint: npm run graph:tiny-llama
// input_ids (batch, time) → logits (batch, time, vocabulary). Rows of a batch are padded behind their end: attention is causal, so no position
// that counts sees the padding.

const HOME = fileURLToPath(new URL('../../../examples/tiny-llama', import.meta.url))

export interface LlamaConfig {
  readonly vocab_size: number
  readonly hidden_size: number
  readonly intermediate_size: number
  readonly num_hidden_layers: number
  readonly num_attention_heads: number
  readonly head_dim: number
  readonly max_position_embeddings: number
  readonly rms_norm_eps: number
  readonly rope_theta: number
}

/** Multi-head attention without biases, tied embeddings; weights of linear layers are (outputs, inputs). */
export function llamaGraph(config: LlamaConfig): Uint8Array {
  const { hidden_size: hidden, head_dim: width, num_attention_heads: heads, max_position_embeddings: longest } = config
  const nodes: OnnxNodeSpec[] = []
  const weights: OnnxValueSpec[] = []
  let count = 0

  /** One node; its output has a name of its own unless one is given. */
  const add = (op: string, inputs: string[], attributes: OnnxNodeSpec['attributes'] = {}, name?: string): string => {
    const output = name ?? `${op.toLowerCase()}.${count++}`
    nodes.push({ op, inputs, outputs: [output], attributes })
    return output
  }
  const weight = (name: string, ...shape: number[]): string => {
    weights.push({ name, shape })
    return name
  }
  const linear = (x: string, name: string): string => add('Gemm', [x, name], { transB: { int: 1 } })
  const norm = (x: string, name: string): string => {
    const square = add('ReduceMean', [add('Mul', [x, x])], { axes: { ints: [-1] }, keepdims: { int: 1 } })
    return add('Mul', [add('Div', [x, add('Sqrt', [add('Add', [square, 'epsilon'])])]), weight(name, hidden)])
  }
  /** (batch * time, hidden) → (batch, heads, time, width) */
  const split = (x: string): string =>
    add('Transpose', [add('Reshape', [x, 'shape.heads'])], { perm: { ints: [0, 2, 1, 3] } })
  /** Rotary embedding: x cos + (−second half, first half) sin. */
  const rotate = (x: string): string => {
    const first = add('Slice', [x, 'zero', 'half', 'last.axis'])
    const second = add('Slice', [x, 'half', 'width', 'last.axis'])
    const turned = add('Concat', [add('Neg', [second]), first], { axis: { int: 3 } })
    return add('Add', [add('Mul', [x, 'cos']), add('Mul', [turned, 'sin'])])
  }

  add('Shape', ['input_ids'], {}, 'shape.ids')
  add('Slice', ['shape.ids', 'one', 'two', 'zero'], {}, 'time')
  add('Concat', ['shape.ids', 'heads.width'], { axis: { int: 0 } }, 'shape.heads')
  add('Slice', ['cos.table', 'zero', 'time', 'zero'], {}, 'cos')
  add('Slice', ['sin.table', 'zero', 'time', 'zero'], {}, 'sin')
  add(
    'Slice',
    ['mask.table', 'zero.zero', add('Concat', ['time', 'time'], { axis: { int: 0 } }), 'zero.one'],
    {},
    'mask',
  )

  const embeddings = weight('model.embed_tokens.weight', config.vocab_size, hidden)
  let x = add('Reshape', [add('Gather', [embeddings, 'input_ids']), 'rows.hidden'])
  for (let layer = 0; layer < config.num_hidden_layers; layer++) {
    const at = `model.layers.${layer}`
    const own = (part: string, outputs: number, inputs: number): string =>
      weight(`${at}.${part}.weight`, outputs, inputs)
    const h = norm(x, `${at}.input_layernorm.weight`)
    const q = rotate(split(linear(h, own('self_attn.q_proj', hidden, hidden))))
    const k = rotate(split(linear(h, own('self_attn.k_proj', hidden, hidden))))
    const v = split(linear(h, own('self_attn.v_proj', hidden, hidden)))
    const scores = add('Mul', [add('MatMul', [q, add('Transpose', [k], { perm: { ints: [0, 1, 3, 2] } })]), 'scale'])
    const attention = add('Softmax', [add('Add', [scores, 'mask'])], { axis: { int: -1 } })
    const mixed = add('Transpose', [add('MatMul', [attention, v])], { perm: { ints: [0, 2, 1, 3] } })
    x = add('Add', [x, linear(add('Reshape', [mixed, 'rows.hidden']), own('self_attn.o_proj', hidden, hidden))])
    const g = norm(x, `${at}.post_attention_layernorm.weight`)
    const gate = linear(g, own('mlp.gate_proj', config.intermediate_size, hidden))
    const up = linear(g, own('mlp.up_proj', config.intermediate_size, hidden))
    const active = add('Mul', [add('Mul', [gate, add('Sigmoid', [gate])]), up])
    x = add('Add', [x, linear(active, own('mlp.down_proj', hidden, config.intermediate_size))])
  }
  const logits = linear(norm(x, 'model.norm.weight'), embeddings)
  add('Reshape', [logits, add('Concat', ['shape.ids', 'minus.one'], { axis: { int: 0 } })], {}, 'logits')

  return buildOnnxModel({
    name: 'tiny-llama',
    inputs: [{ name: 'input_ids', dtype: 'int64', shape: ['batch', 'time'] }, ...weights],
    outputs: [{ name: 'logits', shape: ['batch', 'time', config.vocab_size] }],
    nodes,
    initializers: [
      ...rotaryTables(longest, width, config.rope_theta),
      causalMask(longest),
      scalar('epsilon', config.rms_norm_eps),
      scalar('scale', 1 / Math.sqrt(width)),
      integers('zero', 0),
      integers('one', 1),
      integers('two', 2),
      integers('minus.one', -1),
      integers('half', width / 2),
      integers('width', width),
      integers('last.axis', 3),
      integers('zero.zero', 0, 0),
      integers('zero.one', 0, 1),
      integers('heads.width', heads, width),
      integers('rows.hidden', -1, hidden),
    ],
  })
}

/** cos and sin of position × θ^(−2i / width), each (positions, width): the angles of the first half, twice. */
function rotaryTables(positions: number, width: number, theta: number): OnnxInitializerSpec[] {
  const angle = (k: number): number => {
    const i = (k % width) % (width / 2)
    return Math.floor(k / width) * theta ** ((-2 * i) / width)
  }
  const shape = [positions, width]
  return [
    { name: 'cos.table', shape, data: Float32Array.from({ length: positions * width }, (_, k) => Math.cos(angle(k))) },
    { name: 'sin.table', shape, data: Float32Array.from({ length: positions * width }, (_, k) => Math.sin(angle(k))) },
  ]
}

/** Added to scores: nothing for positions that may be seen, so much that their share rounds to 0 for later ones. */
function causalMask(positions: number): OnnxInitializerSpec {
  const data = Float32Array.from({ length: positions ** 2 }, (_, k) => (k % positions > k / positions ? -1e9 : 0))
  return { name: 'mask.table', shape: [positions, positions], data }
}

function scalar(name: string, value: number): OnnxInitializerSpec {
  return { name, shape: [], data: Float32Array.of(value) }
}

function integers(name: string, ...values: number[]): OnnxInitializerSpec {
  return { name, shape: [values.length], data: BigInt64Array.from(values, BigInt) }
}

const config: LlamaConfig = JSON.parse(readFileSync(join(HOME, 'base', 'config.json'), 'utf8'))
writeFileSync(join(HOME, 'llama.onnx'), llamaGraph(config))
