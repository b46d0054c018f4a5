import { MergeError, show } from '../../errors.ts'
import type { Checkpoint } from '../../formats/checkpoint.ts'
import type { TensorSpec } from '../../formats/safetensors.ts'
import { findNonFinite, type NonFinite, NonFiniteCount, nonFiniteError } from '../non-finite.ts'
import { largerNeed, type MemoryNeed, memoryNeed } from '../operators/memory-need.ts'
import { mergeInWindows, type WindowReader } from '../operators/merge-windows.ts'
import type { ModelView, Survey } from '../operators/operator.ts'
import { windowsOf } from '../operators/windows.ts'
import type { Measurement, Statistics } from '../statistics.ts'
import { streamMethod } from '../stream/plan-operator.ts'
import { readColumns } from '../stream/read-columns.ts'
import { streamInput } from '../stream/stream-input.ts'
import type { StreamTensor } from '../stream/stream-tensor.ts'
import { type OutputTensor, type StreamOptions, type TensorSink, writeTensors } from '../stream/write-tensors.ts'
import type { CopiedTensor, MergedTensor, MergeProgram, TensorReference } from './program.ts'
import { encodeStretch, readStretch } from './read-tensor.ts'

/** Elements of one input in memory at a time, where it is only looked at. */
const STRETCH = 1 << 20
/** Bytes in memory at a time of what is copied. */
const COPY_BYTES = 1 << 22

export function programSpecs(program: MergeProgram): TensorSpec[] {
  return program.tensors.map(tensor => ({
    name: tensor.name,
    shape: tensor.shape,
    dtype: tensor.kind === 'merged' ? tensor.written : tensor.dtype,
  }))
}

export interface ProgramOptions {
  readonly stream?: StreamOptions | undefined
  /** NaN and infinities in the weights are merged and listed, instead of being refused. */
  readonly allowNonFinite?: boolean
  /** Told, before the work begins, the tensor that takes the most memory of those that cannot be merged piece by piece, where there is one. */
  readonly onMemoryNeed?: ((need: MemoryNeed) => void) | undefined
}

/**
 * Carries out a program: in tiles where its operators allow it, else in float64, window by window or tensor by tensor.
 * @param checkpoints by position of the program's models
 * @param statistics of the models, by the same positions
 * @returns NaN and infinities that were written, by tensor; none unless they are allowed
 * @throws {MergeError} naming the tensor
 */
export async function writeProgram(
  program: MergeProgram,
  checkpoints: readonly Checkpoint[],
  statistics: Statistics,
  sink: TensorSink,
  { stream, allowNonFinite = false, onMemoryNeed }: ProgramOptions = {},
): Promise<readonly NonFinite[]> {
  const nonFinite = new Map<string, NonFinite>()
  const measurements = new Map(
    program.tensors.flatMap(tensor => (tensor.kind === 'merged' ? [[tensor, statistics.find(tensor)] as const] : [])),
  )
  const surveys = surveyModels(program, checkpoints)
  const tensors = program.tensors.map((tensor): [string, OutputTensor] => [
    tensor.name,
    tensor.kind === 'copied'
      ? { stream: undefined, read: () => {}, define: append => copyTensor(tensor, checkpoints, append) }
      : {
          stream: streamOf(tensor, checkpoints),
          read: readerOf(tensor, checkpoints),
          define: append => {
            const survey = surveys.get(tensor.operator.name)
            const measurement = measurements.get(tensor)
            const given = { survey, measurement, statistics }
            const found = mergeTensor(tensor, given, checkpoints, allowNonFinite, append)
            if (found !== undefined) nonFinite.set(tensor.name, found)
          },
        },
  ])
  const need = program.tensors
    .map((tensor, t) =>
      tensor.kind === 'merged' && tensors[t]![1].stream === undefined
        ? needOf(tensor, measurements.get(tensor))
        : undefined,
    )
    .reduce(largerNeed, undefined)
  if (need !== undefined) onMemoryNeed?.(need)
  await writeTensors(new Map(tensors), sink, stream)
  for (const checkpoint of checkpoints) checkpoint.verifyUnchanged()
  statistics.verifyUnchanged()
  return program.tensors.flatMap(({ name }) => nonFinite.get(name) ?? [])
}

type Append = (bytes: Uint8Array) => void

/** The base first, where there is one. */
function referencesOf({ base, inputs }: MergedTensor): readonly TensorReference[] {
  return base === undefined ? inputs : [base, ...inputs]
}

function streamOf(tensor: MergedTensor, checkpoints: readonly Checkpoint[]): StreamTensor | undefined {
  const { operator, settings, name, shape, ids, base, work, written } = tensor
  const method = streamMethod({ operator, settings, name, shape, ids, based: base !== undefined })
  if (method === undefined || written === 'F64') return undefined
  const inputs = referencesOf(tensor).map(({ model, tensor: own }) => streamInput(checkpoints[model]!, own, shape))
  // What is float64 is merged in float64.
  if (inputs.some(input => input === undefined || (input.dtype === 'F64' && (work ?? 'F64') === 'F64')))
    return undefined
  const elements = shape.reduce((product, size) => product * size, 1)
  return { name, elements, inputs: inputs.filter(input => input !== undefined), work, written, method }
}

function readerOf(tensor: MergedTensor, checkpoints: readonly Checkpoint[]): OutputTensor['read'] {
  return (input, offset, target) => {
    const { model, tensor: own } = referencesOf(tensor)[input]!
    const checkpoint = checkpoints[model]!
    const { dtype, columns } = streamInput(checkpoint, own, tensor.shape)!
    readColumns(dtype, columns, offset, target, (at, part) => checkpoint.readRange(own, at, part))
  }
}

function needOf(tensor: MergedTensor, measurement: Measurement | undefined): MemoryNeed | undefined {
  const { operator, settings, name, shape, ids, depth, base } = tensor
  const elements = shape.reduce((product, size) => product * size, 1)
  const windowed = { ...settings, name, shape, elements, ids, depth, survey: {}, based: base !== undefined }
  return memoryNeed(operator, { ...windowed, ...measured(measurement) })
}

function measured(measurement: Measurement | undefined) {
  return { measured: measurement !== undefined, inputsAlong: measurement?.inputsAlong }
}

interface GivenOfTensor {
  readonly survey: Survey | undefined
  readonly measurement: Measurement | undefined
  readonly statistics: Statistics
}

/** @returns the NaN and infinities that were written */
function mergeTensor(
  tensor: MergedTensor,
  { survey, measurement, statistics }: GivenOfTensor,
  checkpoints: readonly Checkpoint[],
  allowNonFinite: boolean,
  append: Append,
): NonFinite | undefined {
  const { operator, name, shape, written, settings, ids, depth, base } = tensor
  const elements = shape.reduce((product, size) => product * size, 1)
  const known = { ...settings, name, shape, elements, ids, survey, depth, based: base !== undefined }
  const windowed = { ...known, ...measured(measurement) }
  // Where elements are merged one by one, a NaN stays where it is; other operators would spread it, or never end.
  const allowance = !allowNonFinite ? 'none' : operator.span === 'element' ? 'allowed' : operator.name
  // Tells what cannot be merged before a large tensor takes its memory.
  if (windowsOf(operator, windowed) === undefined) requireFinite(tensor, elements, checkpoints, allowance)
  const count = new NonFiniteCount()
  const write = (values: Float64Array): void => {
    if (allowNonFinite) count.add(values)
    append(encodeStretch(values, written, name, allowNonFinite))
  }
  const read: WindowReader = (begin, length) => ({
    ...inputsOf(tensor, checkpoints, begin, length, allowance),
    statistics: measurement && statistics.read(measurement, tensor, begin, length),
  })
  if (elements > 0) mergeInWindows(operator, windowed, read, write, { allowNonFinite })
  return count.of(name)
}

function requireFinite(
  tensor: MergedTensor,
  elements: number,
  checkpoints: readonly Checkpoint[],
  allowance: Allowance,
): void {
  for (let begin = 0; begin < elements; begin += STRETCH) {
    inputsOf(tensor, checkpoints, begin, Math.min(STRETCH, elements - begin), allowance)
  }
}

/** Whether NaN and infinities are allowed, or the name of the operator for which they cannot be. */
type Allowance = 'none' | 'allowed' | (string & {})

function inputsOf(
  tensor: MergedTensor,
  checkpoints: readonly Checkpoint[],
  begin: number,
  count: number,
  allowance: Allowance,
) {
  const { shape, work } = tensor
  const read = (reference: MergedTensor['inputs'][number]): Float64Array => {
    const checkpoint = checkpoints[reference.model]!
    const values = readStretch(checkpoint, reference.tensor, shape, begin, count, work)
    if (allowance === 'allowed' || values.every(Number.isFinite)) return values
    const found = findNonFinite(checkpoint, reference.tensor)
    if (found !== undefined)
      throw nonFiniteError(`Model ${checkpoint.path}`, found, allowance === 'none' ? undefined : allowance)
    throw new MergeError(`Tensor ${show(reference.tensor)} of ${checkpoint.path} has values beyond ${work}.`, {
      hint: 'Merge in a wider type: dtype of the configuration.',
    })
  }
  return { base: tensor.base && read(tensor.base), models: tensor.inputs.map(read) }
}

function copyTensor({ name, from, equals }: CopiedTensor, checkpoints: readonly Checkpoint[], append: Append): void {
  const checkpoint = checkpoints[from.model]!
  const size = checkpoint.tensors.get(from.tensor)!.byteLength
  for (const { model, tensor } of equals) {
    if (checkpoints[model]!.tensors.get(tensor)!.byteLength !== size)
      throw different(name, checkpoint, checkpoints[model]!)
  }
  const [bytes, others] = [new Uint8Array(Math.min(size, COPY_BYTES)), new Uint8Array(Math.min(size, COPY_BYTES))]
  for (let at = 0; at < size; at += COPY_BYTES) {
    const length = Math.min(COPY_BYTES, size - at)
    const [own, other] = [bytes.subarray(0, length), others.subarray(0, length)]
    checkpoint.readRange(from.tensor, at, own)
    for (const { model, tensor } of equals) {
      checkpoints[model]!.readRange(tensor, at, other)
      if (Buffer.compare(own, other) !== 0) throw different(name, checkpoint, checkpoints[model]!)
    }
    append(own)
  }
}

function different(name: string, a: Checkpoint, b: Checkpoint): MergeError {
  return new MergeError(
    `Tensor ${show(name)} is not merged, as it holds no floats, but it differs between ${a.path} and ${b.path}.`,
  )
}

/** Surveys of the operators that span the whole model; they see all tensors that have the same settings as the first. */
function surveyModels(program: MergeProgram, checkpoints: readonly Checkpoint[]): ReadonlyMap<string, Survey> {
  const surveys = new Map<string, Survey>()
  const merged = program.tensors.filter(tensor => tensor.kind === 'merged')
  for (const { operator, settings, ids } of merged) {
    if (operator.survey === undefined || surveys.has(operator.name)) continue
    const own = merged.filter(tensor => tensor.operator === operator)
    const differing = own.find(tensor => JSON.stringify(tensor.settings) !== JSON.stringify(settings))
    if (differing !== undefined && needsSurvey(operator.survey({ ids, tensors: [] }, settings))) {
      throw new MergeError(
        `${operator.name} looks at the whole model at once, so its settings must be the same for all tensors; ${show(differing.name)} has others.`,
      )
    }
    const view: ModelView = { ids, tensors: eachTensor(own, checkpoints) }
    surveys.set(operator.name, operator.survey(view, settings))
  }
  return surveys
}

function needsSurvey(survey: Survey): boolean {
  return Object.keys(survey).length > 0
}

function* eachTensor(
  tensors: readonly MergedTensor[],
  checkpoints: readonly Checkpoint[],
): ModelView['tensors'] extends Iterable<infer T> ? Generator<T> : never {
  for (const tensor of tensors) {
    const elements = tensor.shape.reduce((product, size) => product * size, 1)
    yield { name: tensor.name, shape: tensor.shape, ...inputsOf(tensor, checkpoints, 0, elements, 'none') }
  }
}
