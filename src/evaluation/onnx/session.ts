import type { InferenceSession, Tensor } from 'onnxruntime-node'
import { EvaluatorError, FormatError, show } from '../../errors.ts'
import { makePatchable, type PatchableModel, promoteInitializers } from '../../formats/onnx-rewrite.ts'
import type { MergedModel } from '../../merge/model.ts'
import type { EvaluatorSession, ExampleRange, Scores, Split } from '../evaluator.ts'
import { rangesToScore, unionOfRanges } from '../example-range.ts'
import type { Elements, ExampleSet } from './examples.ts'
import { expectedWeights, matchWeights } from './match.ts'
import { mean } from './metrics.ts'
import type { OnnxPlan } from './plan.ts'
import { chooseWeightsMode, type OnnxDiagnostics } from './weights-mode.ts'

/** Inference with onnxruntime-node: the only module that loads it. */

type Runtime = typeof import('onnxruntime-node')

/** Batches that the comparison of the two ways runs, besides one to warm up. */
const TRIAL_BATCHES = 4

/** One thread, one order: the same weights give the same bits. Only errors are printed. */
const SESSION_OPTIONS: InferenceSession.SessionOptions = {
  executionProviders: ['cpu'],
  intraOpNumThreads: 1,
  interOpNumThreads: 1,
  executionMode: 'sequential',
  graphOptimizationLevel: 'all',
  logSeverityLevel: 3,
}

interface Batch {
  readonly feeds: Readonly<Record<string, Tensor>>
  /** Rows that are examples; the rest fills up a fixed batch. */
  readonly used: number
}

type Feeds = Readonly<Record<string, Tensor>>

/** @throws {EvaluatorError} when the runtime cannot load the graph */
export async function openOnnxSession(plan: OnnxPlan): Promise<OnnxSession> {
  const runtime = await import('onnxruntime-node')
  const session = new OnnxSession(plan, runtime)
  await session.bind(expectedWeights(plan.model.initializers, plan.match, plan.file))
  return session
}

export class OnnxSession implements EvaluatorSession {
  readonly #plan: OnnxPlan
  readonly #runtime: Runtime
  readonly #batches = new Map<string, readonly Batch[]>()
  /** What the session takes as inputs. */
  #bound: ReadonlySet<string> = new Set()
  /** The model that was scored last. A merger fills the same buffers again and again. */
  #weights: { readonly tensors: MergedModel['tensors']; readonly feeds: Feeds } | undefined
  #session: InferenceSession | undefined
  #patchable: PatchableModel | undefined
  #diagnostics: OnnxDiagnostics

  constructor(plan: OnnxPlan, runtime: Runtime) {
    this.#plan = plan
    this.#runtime = runtime
    this.#diagnostics =
      plan.options.weights === 'auto'
        ? { weights: 'undecided', reason: 'No candidate has been scored yet.' }
        : { weights: plan.options.weights, reason: 'Set by the option "weights".' }
  }

  exampleCount(split: Split): readonly number[] {
    return this.#plan.metrics.map(({ task }) => this.#plan.tasks[task]![split].labels.length)
  }

  diagnostics(): OnnxDiagnostics {
    return this.#diagnostics
  }

  async score(model: MergedModel, split: Split, ranges?: readonly ExampleRange[]): Promise<Scores> {
    const asked = rangesToScore(ranges, this.exampleCount(split))
    await this.#feed(model)
    if (this.#diagnostics.weights === 'undecided') {
      this.#diagnostics = await this.#compare(model, split)
      if (this.#diagnostics.weights === 'inputs') this.#patchable = undefined // a copy of the whole model
    }

    const isOwn = this.#diagnostics.weights === 'initializers'
    const started = performance.now()
    const session = isOwn ? await this.#sessionWith(model) : this.#session!
    let inferenceMs = isOwn ? performance.now() - started : 0
    const weights = isOwn ? {} : this.#weights!.feeds

    const logits: (Float32Array | undefined)[] = this.#plan.tasks.map(() => undefined)
    try {
      for (const { task } of this.#plan.metrics) {
        if (logits[task] !== undefined) continue
        const set = this.#plan.tasks[task]![split]
        const all = new Float32Array(set.labels.length * this.#plan.classes)
        const needed = asked.filter((_, i) => this.#plan.metrics[i]!.task === task)
        for (const range of unionOfRanges(needed)) {
          let row = range.begin
          for (const batch of this.#batchesOf(task, split, range)) {
            const start = performance.now()
            const output = await this.#run(session, batch, weights)
            inferenceMs += performance.now() - start
            all.set(output, row * this.#plan.classes)
            row += batch.used
          }
        }
        logits[task] = all
      }
    } finally {
      if (isOwn) await session.release()
    }

    const { classes } = this.#plan
    const exampleScores = this.#plan.metrics.map(({ task, metric }, i) => {
      const { begin, end } = asked[i]!
      const scores = new Float32Array(end - begin)
      const { labels } = this.#plan.tasks[task]![split]
      metric(logits[task]!.subarray(begin * classes, end * classes), classes, labels.subarray(begin, end), scores)
      return scores
    })
    return { values: exampleScores.map(mean), exampleScores, inferenceMs }
  }

  async close(): Promise<void> {
    const session = this.#session
    this.#session = undefined
    this.#bound = new Set()
    this.#patchable = undefined
    this.#weights = undefined
    this.#batches.clear()
    await session?.release()
  }

  /** Builds the session that takes these initializers as inputs. */
  async bind(names: ReadonlySet<string>): Promise<void> {
    await this.close() // leaves nothing behind that a failure below would make wrong
    this.#session = await this.#create(promoteInitializers(this.#plan.graph, names, this.#plan.file))
    this.#bound = names
  }

  async #create(bytes: Uint8Array): Promise<InferenceSession> {
    try {
      return await this.#runtime.InferenceSession.create(bytes, SESSION_OPTIONS)
    } catch (error) {
      throw new EvaluatorError(`onnxruntime cannot load ${this.#plan.file}: ${show(messageOf(error), 400)}`, {
        cause: error,
      })
    }
  }

  /** A session of the candidate's own, its weights written into the model's bytes. */
  async #sessionWith(model: MergedModel): Promise<InferenceSession> {
    const { bytes, slots } = this.#patchableModel()
    for (const [name, slot] of slots) {
      const { data } = model.tensors.get(name)!
      bytes.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), slot.start)
    }
    return this.#create(bytes)
  }

  #patchableModel(): PatchableModel {
    this.#patchable ??= makePatchable(this.#plan.graph, this.#bound, this.#plan.file)
    return this.#patchable
  }

  /** Matches the model to the graph and wraps views of its buffers: no copy, and nothing to do for a model that was seen before. */
  async #feed({ tensors }: MergedModel): Promise<void> {
    if (this.#weights?.tensors === tensors) return
    const { model, match, file } = this.#plan
    const bound = matchWeights(model.initializers, tensors, match, file)
    if (bound.size !== this.#bound.size || [...bound].some(name => !this.#bound.has(name))) await this.bind(bound)
    const feeds: Record<string, Tensor> = {}
    for (const name of bound) {
      const { data, shape } = tensors.get(name)!
      feeds[name] = new this.#runtime.Tensor('float32', data, shape)
    }
    this.#weights = { tensors, feeds }
  }

  /** Logits of the batch's examples, shape (used, classes): a view that the next run may not keep. */
  async #run(session: InferenceSession, batch: Batch, weights: Feeds): Promise<Float32Array> {
    const { options, classes, file } = this.#plan
    let output: Tensor | undefined
    try {
      output = (await session.run({ ...weights, ...batch.feeds }, [options.output]))[options.output]
    } catch (error) {
      throw new EvaluatorError(`onnxruntime cannot run ${file}: ${show(messageOf(error), 400)}`, { cause: error })
    }
    const { data, dims } = output!
    const rows = batch.feeds[Object.keys(batch.feeds)[0]!]!.dims[0]!
    if (!(data instanceof Float32Array) || dims.length !== 2 || dims[0] !== rows || dims[1] !== classes)
      throw new EvaluatorError(
        `Output ${show(options.output)} of ${file} must be float32 of shape [${rows}, ${classes}]; it is ${output!.type} of shape [${dims.join(', ')}].`,
      )
    return data.subarray(0, batch.used * classes)
  }

  /** The batches of a task in a split; those of all its examples are made once, then fed to every candidate. */
  #batchesOf(task: number, split: Split, range?: ExampleRange): readonly Batch[] {
    const set = this.#plan.tasks[task]![split]
    const whole = { begin: 0, end: set.labels.length }
    if (range !== undefined && range.end - range.begin < whole.end) return this.#makeBatches(set, range)
    const key = `${task}/${split}`
    let batches = this.#batches.get(key)
    if (batches === undefined) {
      batches = this.#makeBatches(set, whole)
      this.#batches.set(key, batches)
    }
    return batches
  }

  #makeBatches(set: ExampleSet, { begin, end }: ExampleRange): readonly Batch[] {
    const size = this.#plan.options.batch_size
    const batches: Batch[] = []
    for (let from = begin; from < end; from += size) {
      const used = Math.min(size, end - from)
      const rows = this.#plan.fixedBatch ?? used
      const feeds: Record<string, Tensor> = {}
      for (const [name, { dtype, shape, data }] of set.inputs) {
        const perExample = data.length / set.labels.length
        const own = data.subarray(from * perExample, (from + used) * perExample)
        const values = rows === used ? own : filledUp(own, rows * perExample)
        feeds[name] = new this.#runtime.Tensor(dtype, values, [rows, ...shape])
      }
      batches.push({ feeds, used })
    }
    return batches
  }

  /** Runs the first batches both ways. */
  async #compare(model: MergedModel, split: Split): Promise<OnnxDiagnostics> {
    const all = [...new Set(this.#plan.metrics.map(({ task }) => task))].flatMap(task => this.#batchesOf(task, split))
    const trial = all.slice(0, TRIAL_BATCHES)
    const fed = await this.#time(this.#session!, trial, this.#weights!.feeds)

    try {
      this.#patchableModel() // once per worker, not per candidate: not timed
    } catch (error) {
      if (!(error instanceof FormatError)) throw error
      return { weights: 'inputs', reason: `The only way: ${error.message}` }
    }
    const started = performance.now()
    const own = await this.#sessionWith(model)
    const createMs = performance.now() - started
    let built: Timed
    try {
      built = await this.#time(own, trial, {})
    } finally {
      await own.release()
    }

    const inputsMs = fed.batchMs * all.length
    const initializersMs = createMs + built.batchMs * all.length
    const isEqual = fed.outputs.every((output, i) => sameBits(output, built.outputs[i]!))
    return chooseWeightsMode({ inputsMs, initializersMs, isEqual })
  }

  async #time(session: InferenceSession, batches: readonly Batch[], feeds: Feeds): Promise<Timed> {
    await this.#run(session, batches[0]!, feeds) // the first run allocates
    const outputs: Float32Array[] = []
    const started = performance.now()
    for (const batch of batches) outputs.push((await this.#run(session, batch, feeds)).slice())
    return { batchMs: (performance.now() - started) / batches.length, outputs }
  }
}

interface Timed {
  readonly batchMs: number
  readonly outputs: readonly Float32Array[]
}

function sameBits(a: Float32Array, b: Float32Array): boolean {
  const bytes = (values: Float32Array): Buffer => Buffer.from(values.buffer, values.byteOffset, values.byteLength)
  return bytes(a).equals(bytes(b))
}

/** A fixed batch that runs out of examples is filled up with zeros; the outputs of those rows are dropped. */
function filledUp(values: Elements, count: number): Elements {
  const filled =
    values instanceof Float32Array
      ? new Float32Array(count)
      : values instanceof Int32Array
        ? new Int32Array(count)
        : new BigInt64Array(count)
  new Uint8Array(filled.buffer).set(new Uint8Array(values.buffer, values.byteOffset, values.byteLength))
  return filled
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
