import { setImmediate as breathe } from 'node:timers/promises'
import { MergeError, show } from '../../errors.ts'
import type { Checkpoint } from '../../formats/checkpoint.ts'
import type { TensorSpec } from '../../formats/safetensors.ts'
import { applyOperator } from '../operators/apply.ts'
import type { ModelView, Survey } from '../operators/operator.ts'
import type { CopiedTensor, MergedTensor, MergeProgram } from './program.ts'
import { encodeStretch, readStretch } from './read-tensor.ts'

/** Elements of one input in memory at a time, where an operator does not need the whole tensor. */
const STRETCH = 1 << 20

/** Takes the bytes of the tensors in the order of `entries`. */
export interface TensorSink {
  readonly entries: readonly TensorSpec[]
  append(bytes: Uint8Array): void
}

export function programSpecs(program: MergeProgram): TensorSpec[] {
  return program.tensors.map(tensor => ({
    name: tensor.name,
    shape: tensor.shape,
    dtype: tensor.kind === 'merged' ? tensor.written : tensor.dtype,
  }))
}

/**
 * Carries out a program in float64, tensor by tensor.
 * @param checkpoints by position of the program's models
 * @throws {MergeError} naming the tensor
 */
export async function writeProgram(
  program: MergeProgram,
  checkpoints: readonly Checkpoint[],
  sink: TensorSink,
): Promise<void> {
  const tensors = new Map(program.tensors.map(tensor => [tensor.name, tensor]))
  const surveys = surveyModels(program, checkpoints)
  for (const { name } of sink.entries) {
    const tensor = tensors.get(name)!
    if (tensor.kind === 'copied') copyTensor(tensor, checkpoints, sink)
    else mergeTensor(tensor, surveys.get(tensor.operator.name), checkpoints, sink)
    await breathe() // timers, signals and progress get their turn between tensors
  }
  for (const checkpoint of checkpoints) checkpoint.verifyUnchanged()
}

function mergeTensor(
  tensor: MergedTensor,
  survey: Survey | undefined,
  checkpoints: readonly Checkpoint[],
  sink: TensorSink,
): void {
  const { operator, name, shape, written } = tensor
  const elements = shape.reduce((product, size) => product * size, 1)
  const step = operator.span === 'element' ? STRETCH : Math.max(1, elements)
  for (let begin = 0; begin < elements; begin += step) {
    const count = Math.min(step, elements - begin)
    const { base, models } = inputsOf(tensor, checkpoints, begin, count)
    const out = applyOperator(operator, {
      ...tensor.settings,
      name,
      shape: count === elements ? shape : [count],
      base,
      models,
      ids: tensor.ids,
      survey,
      depth: tensor.depth,
    })
    sink.append(encodeStretch(out, written, name))
  }
}

function inputsOf(tensor: MergedTensor, checkpoints: readonly Checkpoint[], begin: number, count: number) {
  const { shape, work } = tensor
  const read = (reference: MergedTensor['inputs'][number]): Float64Array => {
    const values = readStretch(checkpoints[reference.model]!, reference.tensor, shape, begin, count, work)
    if (values.every(Number.isFinite)) return values
    throw new MergeError(
      `Tensor ${show(reference.tensor)} of ${checkpoints[reference.model]!.path} has a NaN or an infinity.`,
      { hint: 'Every merge with it would be damaged: leave the model out or repair it.' },
    )
  }
  return { base: tensor.base && read(tensor.base), models: tensor.inputs.map(read) }
}

function copyTensor({ name, from, equals }: CopiedTensor, checkpoints: readonly Checkpoint[], sink: TensorSink): void {
  const bytes = checkpoints[from.model]!.read(from.tensor)
  for (const other of equals) {
    if (Buffer.compare(bytes, checkpoints[other.model]!.read(other.tensor)) === 0) continue
    throw new MergeError(
      `Tensor ${show(name)} is not merged, as it holds no floats, but it differs between ${checkpoints[from.model]!.path} and ${checkpoints[other.model]!.path}.`,
    )
  }
  sink.append(bytes)
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
    yield { name: tensor.name, shape: tensor.shape, ...inputsOf(tensor, checkpoints, 0, elements) }
  }
}
