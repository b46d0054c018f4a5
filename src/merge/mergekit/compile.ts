import { ConfigError, MergeError, show } from '../../errors.ts'
import { isWeightDtype, type WeightDtype } from '../../formats/dtype.ts'
import { indexLayers, type LayerIndex, layerOf } from '../../space/layer-groups.ts'
import { requireNoScale } from '../float8-scales.ts'
import { settingsOf } from '../operators/apply.ts'
import type { MergeOperator } from '../operators/operator.ts'
import { findOperator } from '../operators/registry.ts'
import type { MergeProgram, ProgramTensor, TensorReference } from '../program/program.ts'
import { isDescribed } from './architectures.ts'
import type { MergekitConfig, MergekitSlice } from './schema.ts'
import { commonShape, type KnownTensor } from './shapes.ts'
import { asBoolean, asNumber, evaluate, type ParameterValue, type Scalar } from './values.ts'

/** The tensors of one model, by name. */
export interface KnownModel {
  readonly name: string
  readonly tensors: ReadonlyMap<string, KnownTensor>
  /** Whether its output head is its embedding. */
  readonly tied: boolean
  /** `model_type` of its config. */
  readonly modelType?: string | undefined
}

const DTYPES: Readonly<Record<string, WeightDtype>> = { bfloat16: 'BF16', float16: 'F16', float32: 'F32' }

/** Parameters that only steer mergekit's memory. */
const IGNORED: ReadonlySet<string> = new Set(['int8_mask'])

/** Names under which an output head and the embedding it may be tied to are stored. */
const HEAD = 'lm_head.weight'

/**
 * A mergekit configuration as a program over the tensors of its models.
 * @param models every model the configuration names, by name
 * @param seed of random masks
 * @param ids model → id that its masks are drawn by, where that is not its name
 * @throws {ConfigError | MergeError} naming the key or tensor
 */
export function compileMergekit(
  config: MergekitConfig,
  models: ReadonlyMap<string, KnownModel>,
  seed: number,
  ids: ReadonlyMap<string, string> = new Map(),
): MergeProgram {
  const operator = findOperator(config.merge_method)
  const based = config.base_model !== undefined || config.slices?.every(slice => slice.base_model !== undefined)
  if (operator.base === 'required' && !based) {
    throw new ConfigError(`${operator.name} needs a base, the model that all were tuned from: give "base_model".`)
  }
  const slices = slicesOf(config, operator, models)
  const names = [...new Set(slices.flatMap(({ sources }) => sources.map(({ model }) => model)))]
  const build = new ProgramBuilder(config, operator, slices, names, models, { seed, ids })
  return build.program()
}

/** `models` is one slice over all layers of all of them; a base that is not listed comes last, without parameters. */
function slicesOf(
  config: MergekitConfig,
  operator: MergeOperator,
  models: ReadonlyMap<string, KnownModel>,
): MergekitSlice[] {
  if (config.slices !== undefined) return config.slices
  const listed = config.models!.map(({ model, parameters }) => ({ model, parameters }))
  const { base_model: base } = config
  if (base !== undefined && !listed.some(({ model }) => model === base)) {
    if (operator.base === 'none') {
      throw new ConfigError(`${operator.name} has no base: list ${show(base)} among the models, or drop "base_model".`)
    }
    listed.push({ model: base, parameters: undefined })
  }
  return [
    {
      sources: listed.map(({ model, parameters }) => {
        const { layers } = indexLayers([...models.get(model)!.tensors.keys()])
        return { model, parameters, layer_range: [0, (layers.at(-1) ?? -1) + 1] }
      }),
    },
  ]
}

class ProgramBuilder {
  readonly #config: MergekitConfig
  readonly #operator: MergeOperator
  readonly #slices: readonly MergekitSlice[]
  readonly #names: readonly string[]
  readonly #models: ReadonlyMap<string, KnownModel>
  readonly #indices: ReadonlyMap<string, LayerIndex>
  readonly #seed: number
  readonly #ids: ReadonlyMap<string, string>
  readonly #remarks: string[] = []

  constructor(
    config: MergekitConfig,
    operator: MergeOperator,
    slices: readonly MergekitSlice[],
    names: readonly string[],
    models: ReadonlyMap<string, KnownModel>,
    { seed, ids }: { readonly seed: number; readonly ids: ReadonlyMap<string, string> },
  ) {
    this.#config = config
    this.#operator = operator
    this.#slices = slices
    this.#names = names
    this.#models = models
    this.#indices = new Map(names.map(name => [name, indexLayers([...models.get(name)!.tensors.keys()])]))
    this.#seed = seed
    this.#ids = ids
    this.#checkParameters()
  }

  program(): MergeProgram {
    const tensors: ProgramTensor[] = []
    const total = this.#slices.reduce((sum, slice) => sum + lengthOf(slice), 0)
    const [first, last] = [this.#slices[0]!, this.#slices.at(-1)!]
    // Before and after the layers a gradient has its first value.
    for (const name of this.#outside(first, 'pre')) this.#add(tensors, first, name, name, undefined, 0, undefined)
    let layer = 0
    for (const slice of this.#slices) {
      const length = lengthOf(slice)
      for (let i = 0; i < length; i++, layer++) {
        const t = length === 1 ? 1 : i / (length - 1)
        const depth = total === 1 ? 0 : layer / (total - 1)
        for (const name of this.#layerTensors(slice, i)) {
          this.#add(tensors, slice, name, this.#renumbered(slice, name, layer), i, t, depth)
        }
      }
    }
    for (const name of this.#outside(last, 'post')) this.#add(tensors, last, name, name, undefined, 0, undefined)
    return { models: this.#names, tensors, remarks: this.#remarks }
  }

  /** Names of one side, in the order of the first model that has them. */
  #outside(slice: MergekitSlice, side: 'pre' | 'post'): string[] {
    const names = new Set<string>()
    for (const { model } of slice.sources) {
      const index = this.#indices.get(model)!
      const { tensors, modelType } = this.#models.get(model)!
      for (const name of tensors.keys()) {
        const place = layerOf(name, index)
        if (typeof place !== 'number' && (isDescribed(modelType) ? place : 'pre') === side) names.add(name)
      }
    }
    return [...names]
  }

  /** Names of layer `i` of the slice, as the first source numbers it. */
  #layerTensors(slice: MergekitSlice, i: number): string[] {
    const first = slice.sources[0]!
    const names = new Set<string>()
    for (const source of slice.sources) {
      const index = this.#indices.get(source.model)!
      const wanted = source.layer_range[0] + i
      if (!index.layers.includes(wanted)) {
        throw new MergeError(
          `Layer ${wanted} of ${show(source.model)} is wanted, but it has layers ${index.layers[0] ?? 'none'} to ${index.layers.at(-1) ?? 'none'}.`,
        )
      }
      for (const name of this.#models.get(source.model)!.tensors.keys()) {
        if (layerOf(name, index) !== wanted) continue
        names.add(renumber(name, index, wanted, first.layer_range[0] + i, this.#indices.get(first.model)!))
      }
    }
    return [...names]
  }

  /** Name in the result: the first source's, with the result's layer number. */
  #renumbered(slice: MergekitSlice, name: string, layer: number): string {
    const index = this.#indices.get(slice.sources[0]!.model)!
    return renumber(name, index, Number(layerOf(name, index)), layer, index)
  }

  #add(
    tensors: ProgramTensor[],
    slice: MergekitSlice,
    name: string, // as the first source has it
    written: string,
    i: number | undefined,
    t: number,
    depth: number | undefined,
  ): void {
    const operator = this.#operator
    const baseName = slice.base_model ?? this.#config.base_model
    const found = slice.sources.flatMap((source, position) => {
      const reference = this.#find(slice, source.model, name, i, position)
      return reference === undefined ? [] : [{ source, reference, tensor: this.#tensor(reference) }]
    })
    if (found.length === 0) return
    const [first] = found
    const missing = slice.sources
      .filter(source => !found.some(entry => entry.source === source))
      .map(({ model }) => model)
    if (missing.length > 0 && name !== HEAD) {
      throw new MergeError(
        `Tensor ${show(name)} is in ${found.map(({ source }) => show(source.model)).join(', ')} but not in ${missing.map(model => show(model)).join(', ')}.`,
        { hint: 'Merge models of one architecture.' },
      )
    }
    const dtype = first!.tensor.dtype
    for (const { source, reference, tensor } of found)
      requireNoScale(reference.tensor, tensor.dtype, this.#models.get(source.model)!.tensors)
    if (!isWeightDtype(dtype)) {
      tensors.push({
        kind: 'copied',
        name: written,
        shape: first!.tensor.shape,
        dtype,
        from: first!.reference,
        equals: found.slice(1).map(({ reference }) => reference),
      })
      return
    }
    const isBase = (model: string) => operator.base !== 'none' && model === baseName
    const base = found.find(({ source }) => isBase(source.model))
    const inputs = found.filter(entry => entry !== base)
    const { shape, kept } = commonShape(
      operator.name,
      written,
      base?.tensor,
      inputs.map(({ tensor }) => tensor),
    )
    for (const [position, { source }] of inputs.entries()) {
      if (!kept[position]) {
        this.#remarks.push(
          `${show(written)}: ${show(source.model)} has another shape and is left out, as mergekit does.`,
        )
      }
    }
    const used = inputs.filter((_, position) => kept[position])
    const { dtype: work, out_dtype: out } = this.#config
    const common = {
      kind: 'merged',
      name: written,
      shape,
      depth,
      work: work === undefined ? undefined : DTYPES[work]!,
      written: DTYPES[out ?? work ?? ''] ?? dtype,
    } as const
    if (used.length === 0 || (found.length === 1 && operator.base === 'required')) {
      // Nothing to merge it with: the tensor as it is.
      const only = base ?? first!
      const copy = findOperator('passthrough')
      const settings = settingsOf(copy, { parameters: {}, coefficients: [{}], seed: this.#seed }, false, show(written))
      tensors.push({
        ...common,
        operator: copy,
        settings,
        base: undefined,
        inputs: [only.reference],
        ids: [only.source.model],
      })
      return
    }
    const where = show(written)
    const lookUp = (key: string, source: (typeof used)[number]['source'] | undefined, tensor: string) =>
      this.#value(key, source?.parameters, slice, tensor, t)
    const parameters: Record<string, Scalar> = {}
    for (const { name: key, kind } of operator.parameters) {
      const value = lookUp(key, undefined, written)
      if (value === undefined) continue
      parameters[key] =
        kind === 'number'
          ? asNumber(value, key, where)
          : kind === 'boolean'
            ? asBoolean(value, key, where)
            : String(value)
    }
    const coefficients = used.map(({ source, reference }) => {
      const values: Record<string, number> = {}
      for (const { name: key } of operator.coefficients) {
        const value = lookUp(key, source, reference.tensor)
        if (value !== undefined) values[key] = asNumber(value, key, `${where} of ${show(source.model)}`)
      }
      return values
    })
    tensors.push({
      ...common,
      operator,
      settings: settingsOf(operator, { parameters, coefficients, seed: this.#seed }, base !== undefined, where),
      base: base?.reference,
      inputs: used.map(({ reference }) => reference),
      ids: used.map(({ source }) => this.#ids.get(source.model) ?? source.model),
    })
  }

  /** Source, then slice, then top; the first that says something about this tensor. */
  #value(
    key: string,
    own: Readonly<Record<string, ParameterValue>> | undefined,
    slice: MergekitSlice,
    tensor: string,
    t: number,
  ): Scalar | undefined {
    for (const level of [own, slice.parameters, this.#config.parameters]) {
      if (level === undefined || !Object.hasOwn(level, key)) continue
      const value = evaluate(level[key]!, tensor, t)
      if (value !== undefined) return value
    }
    return undefined
  }

  /** The tensor in one source: by name, with the source's own layer number, or the embedding that a head is tied to. */
  #find(
    slice: MergekitSlice,
    model: string,
    name: string,
    i: number | undefined,
    position: number,
  ): TensorReference | undefined {
    const known = this.#models.get(model)!
    const index = this.#indices.get(model)!
    const firstIndex = this.#indices.get(slice.sources[0]!.model)!
    const own =
      i === undefined
        ? name
        : renumber(
            name,
            firstIndex,
            slice.sources[0]!.layer_range[0] + i,
            slice.sources[position]!.layer_range[0] + i,
            index,
          )
    const at = this.#names.indexOf(model)
    if (known.tensors.has(own)) return { model: at, tensor: own }
    if (own === HEAD && known.tied) {
      const embedding = [...known.tensors.keys()].find(candidate => candidate.endsWith('embed_tokens.weight'))
      if (embedding !== undefined) return { model: at, tensor: embedding }
    }
    return undefined
  }

  #tensor({ model, tensor }: TensorReference): KnownTensor {
    return this.#models.get(this.#names[model]!)!.tensors.get(tensor)!
  }

  /** A parameter that the method does not have would be ignored by mergekit; here it is an error, as it is a mistake. */
  #checkParameters(): void {
    const known = [...this.#operator.parameters, ...this.#operator.coefficients].map(({ name }) => name)
    const levels = [
      this.#config.parameters,
      ...this.#slices.flatMap(slice => [slice.parameters, ...slice.sources.map(({ parameters }) => parameters)]),
    ]
    for (const key of levels.flatMap(level => Object.keys(level ?? {}))) {
      if (known.includes(key) || IGNORED.has(key)) continue
      throw new ConfigError(
        `${this.#operator.name} has no parameter ${show(key)}; ${known.length === 0 ? 'it has none' : `it has ${known.join(', ')}`}.`,
      )
    }
  }
}

function lengthOf({ sources }: MergekitSlice): number {
  const [first, end] = sources[0]!.layer_range
  return end - first
}

/** A tensor of layer `from` under index `a` as layer `to` under index `b`. */
function renumber(name: string, a: LayerIndex, from: number, to: number, b: LayerIndex): string {
  const head = `${a.prefix}${from}`
  return name.startsWith(head) ? `${b.prefix}${to}${name.slice(head.length)}` : name
}
