// Sharded bfloat16 checkpoints of Llama's shape and of any size, for measurements of speed.
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { encodeFloat32 } from '../../dist/formats/dtype.js'
import { ShardedWriter } from '../../dist/formats/shards.js'
import { createRng } from '../../dist/rng.js'

const SHARD_BYTES = 1_000_000_000
/** Numbers that all tensors are cut from, each from a place of its own: drawing every one would take minutes. */
const POOL = (1 << 22) + 3

/** TinyLlama's proportions: layers are added until the size is reached. */
export function shapesOf(gigabytes) {
  const hidden = gigabytes >= 1 ? 2048 : 1024
  const [inner, kv, vocabulary] = [hidden * 2.75, hidden / 8, hidden * 15.625]
  const layer = [
    ['input_layernorm', [hidden]],
    ['self_attn.q_proj', [hidden, hidden]],
    ['self_attn.k_proj', [kv, hidden]],
    ['self_attn.v_proj', [kv, hidden]],
    ['self_attn.o_proj', [hidden, hidden]],
    ['post_attention_layernorm', [hidden]],
    ['mlp.gate_proj', [inner, hidden]],
    ['mlp.up_proj', [inner, hidden]],
    ['mlp.down_proj', [hidden, inner]],
  ]
  const count = shape => shape.reduce((product, size) => product * size, 1)
  const perLayer = layer.reduce((sum, [, shape]) => sum + count(shape), 0)
  const layers = Math.max(1, Math.round((gigabytes * 5e8 - 2 * hidden * vocabulary) / perLayer))
  const shapes = [['model.embed_tokens.weight', [vocabulary, hidden]]]
  for (let i = 0; i < layers; i++) {
    for (const [name, shape] of layer) shapes.push([`model.layers.${i}.${name}.weight`, shape])
  }
  shapes.push(['model.norm.weight', [hidden]], ['lm_head.weight', [vocabulary, hidden]])
  const config = {
    architectures: ['LlamaForCausalLM'],
    model_type: 'llama',
    hidden_size: hidden,
    intermediate_size: inner,
    num_attention_heads: hidden / 64,
    num_key_value_heads: kv / 64,
    num_hidden_layers: layers,
    vocab_size: vocabulary,
    max_position_embeddings: 2048,
    rms_norm_eps: 1e-5,
    tie_word_embeddings: false,
    torch_dtype: 'bfloat16',
  }
  return { shapes, config, parameters: shapes.reduce((sum, [, shape]) => sum + count(shape), 0) }
}

/** `base` with weights of standard deviation 0.02, `expert0`, ... with differences of 0.002 from it. */
export function saveCheckpoints(folder, gigabytes, experts) {
  const { shapes, config, parameters } = shapesOf(gigabytes)
  const rng = createRng(7)
  const normals = Float32Array.from({ length: POOL }, () => 0.02 * rng.normal())
  const pools = Array.from({ length: 1 + experts }, (_, m) => {
    const own = rng.split(`model ${m}`)
    const values = m === 0 ? normals : normals.map(value => value + 0.002 * own.normal())
    const bytes = new Uint8Array(POOL * 2)
    encodeFloat32(values, 'BF16', bytes)
    return bytes
  })
  const specs = shapes.map(([name, shape]) => ({ name, shape, dtype: 'BF16' }))
  for (const [m, pool] of pools.entries()) {
    const home = join(folder, m === 0 ? 'base' : `expert${m - 1}`)
    mkdirSync(home)
    writeFileSync(join(home, 'config.json'), JSON.stringify(config))
    const writer = new ShardedWriter(home, specs, new Map([['format', 'pt']]), SHARD_BYTES)
    for (const [i, { shape }] of writer.entries.entries()) {
      let [left, at] = [shape.reduce((product, size) => product * size, 2), ((i * 7919) % POOL) * 2]
      while (left > 0) {
        const part = pool.subarray(at, at + left)
        writer.append(part)
        left -= part.byteLength
        at = 0
      }
    }
    writer.commit()
  }
  return { parameters, bytes: parameters * 2 }
}
