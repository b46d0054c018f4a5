// Small random checkpoints in the shapes of known architectures, for comparisons with other programs.
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { encodeFloat32 } from '../../dist/formats/dtype.js'
import { writeSafetensors } from '../../dist/formats/write-file.js'
import { createRng } from '../../dist/rng.js'

const HIDDEN = 32
const HEADS = 4
const KV_HEADS = 2
const INNER = 48
const VOCABULARY = 60
const LAYERS = 4
const CLASSES = 7

const decoder = (architecture, type, { bias = false, norms = [] } = {}) => ({
  config: {
    architectures: [architecture],
    model_type: type,
    hidden_size: HIDDEN,
    intermediate_size: INNER,
    num_attention_heads: HEADS,
    num_key_value_heads: KV_HEADS,
    num_hidden_layers: LAYERS,
    vocab_size: VOCABULARY,
    max_position_embeddings: 64,
    rms_norm_eps: 1e-6,
    tie_word_embeddings: false,
  },
  shapes: () => {
    const kv = (HIDDEN / HEADS) * KV_HEADS
    const shapes = [['model.embed_tokens.weight', [VOCABULARY, HIDDEN]]]
    for (let i = 0; i < LAYERS; i++) {
      const layer = `model.layers.${i}`
      shapes.push([`${layer}.input_layernorm.weight`, [HIDDEN]])
      for (const [name, rows] of [
        ['q', HIDDEN],
        ['k', kv],
        ['v', kv],
      ]) {
        shapes.push([`${layer}.self_attn.${name}_proj.weight`, [rows, HIDDEN]])
        if (bias) shapes.push([`${layer}.self_attn.${name}_proj.bias`, [rows]])
      }
      shapes.push([`${layer}.self_attn.o_proj.weight`, [HIDDEN, HIDDEN]])
      for (const norm of norms) shapes.push([`${layer}.self_attn.${norm}.weight`, [HIDDEN / HEADS]])
      shapes.push([`${layer}.post_attention_layernorm.weight`, [HIDDEN]])
      shapes.push([`${layer}.mlp.gate_proj.weight`, [INNER, HIDDEN]])
      shapes.push([`${layer}.mlp.up_proj.weight`, [INNER, HIDDEN]])
      shapes.push([`${layer}.mlp.down_proj.weight`, [HIDDEN, INNER]])
    }
    shapes.push(['model.norm.weight', [HIDDEN]], ['lm_head.weight', [VOCABULARY, HIDDEN]])
    return shapes
  },
})

/** Named as transformers 5 names them in memory: mergekit asks it for the names, and leaves out the encoder of files with the older ones. */
const vit = {
  config: {
    architectures: ['ViTForImageClassification'],
    model_type: 'vit',
    hidden_size: HIDDEN,
    intermediate_size: INNER,
    num_attention_heads: HEADS,
    num_hidden_layers: LAYERS,
    image_size: 16,
    patch_size: 8,
    id2label: Object.fromEntries(Array.from({ length: CLASSES }, (_, i) => [i, `class ${i}`])),
  },
  shapes: () => {
    const shapes = [
      ['vit.embeddings.cls_token', [1, 1, HIDDEN]],
      ['vit.embeddings.position_embeddings', [1, 5, HIDDEN]],
      ['vit.embeddings.patch_embeddings.projection.weight', [HIDDEN, 3, 8, 8]],
      ['vit.embeddings.patch_embeddings.projection.bias', [HIDDEN]],
    ]
    for (let i = 0; i < LAYERS; i++) {
      const layer = `vit.layers.${i}`
      for (const name of ['attention.q_proj', 'attention.k_proj', 'attention.v_proj', 'attention.o_proj']) {
        shapes.push([`${layer}.${name}.weight`, [HIDDEN, HIDDEN]], [`${layer}.${name}.bias`, [HIDDEN]])
      }
      shapes.push([`${layer}.mlp.fc1.weight`, [INNER, HIDDEN]], [`${layer}.mlp.fc1.bias`, [INNER]])
      shapes.push([`${layer}.mlp.fc2.weight`, [HIDDEN, INNER]], [`${layer}.mlp.fc2.bias`, [HIDDEN]])
      for (const name of ['layernorm_before', 'layernorm_after']) {
        shapes.push([`${layer}.${name}.weight`, [HIDDEN]], [`${layer}.${name}.bias`, [HIDDEN]])
      }
    }
    shapes.push(['vit.layernorm.weight', [HIDDEN]], ['vit.layernorm.bias', [HIDDEN]])
    shapes.push(['classifier.weight', [CLASSES, HIDDEN]], ['classifier.bias', [CLASSES]])
    return shapes
  },
}

export const ARCHITECTURES = {
  llama: decoder('LlamaForCausalLM', 'llama'),
  qwen2: decoder('Qwen2ForCausalLM', 'qwen2', { bias: true }),
  mistral: decoder('MistralForCausalLM', 'mistral'),
  vit,
}

const TORCH = { F64: 'float64', F32: 'float32', BF16: 'bfloat16' }

function encode(values, dtype) {
  if (dtype === 'F64') return new Uint8Array(values.slice().buffer)
  const data = new Uint8Array(values.length * (dtype === 'F32' ? 4 : 2))
  encodeFloat32(Float32Array.from(values), dtype, data)
  return data
}

/** A base with weights of 1/√columns and experts that differ from it by a fifth of that; one expert leaves a tenth of the elements alone. */
export function saveFamily(folder, architecture, dtype, experts = 3) {
  const { config, shapes } = ARCHITECTURES[architecture]
  const rng = createRng(2024).split(architecture)
  const bases = shapes().map(([name, shape]) => {
    const scale = 1 / Math.sqrt(shape.at(-1))
    const values = Float64Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => scale * rng.normal())
    return { name, shape, scale, values }
  })
  const save = (id, valuesOf) => {
    const path = join(folder, id)
    mkdirSync(path, { recursive: true })
    const tensors = bases.map(tensor => {
      const values = valuesOf(tensor)
      return [tensor.name, { dtype, shape: tensor.shape, data: encode(values, dtype) }]
    })
    writeSafetensors(join(path, 'model.safetensors'), tensors)
    writeFileSync(join(path, 'config.json'), JSON.stringify({ ...config, torch_dtype: TORCH[dtype] }))
  }
  save('base', ({ values }) => values)
  for (let e = 0; e < experts; e++) {
    const own = rng.split(`expert ${e}`)
    save(`expert${e}`, ({ values, scale }) =>
      values.map(value => (e === 0 && own.uniform() < 0.1 ? value : value + 0.2 * scale * own.normal())),
    )
  }
}
