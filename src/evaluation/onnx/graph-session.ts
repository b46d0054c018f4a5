import type { InferenceSession, Tensor } from 'onnxruntime-node'
import { EvaluatorError, show } from '../../errors.ts'
import { makePatchable, type PatchableModel, promoteInitializers } from '../../formats/onnx-rewrite.ts'
import type { MergedModel } from '../../merge/model.ts'
import { NamedForGraph } from './graph-names.ts'
import { expectedWeights, matchWeights } from './match.ts'
import type { PlannedGraph } from './plan.ts'
import type { GraphRunner, OutputArray } from './tasks/task.ts'
import type { WeightsMode } from './weights-mode.ts'

export type Runtime = typeof import('onnxruntime-node')

/** One order, and the same number of threads for every candidate: the same weights give the same bits. Only errors are printed. */
const SESSION_OPTIONS: InferenceSession.SessionOptions = {
  executionProviders: ['cpu'],
  interOpNumThreads: 1,
  executionMode: 'sequential',
  graphOptimizationLevel: 'all',
  logSeverityLevel: 3,
}

type Feeds = Readonly<Record<string, Tensor>>

/** Runs one graph with one model's weights after another. */
export class GraphSession {
  readonly #graph: PlannedGraph
  readonly #runtime: Runtime
  readonly #options: InferenceSession.SessionOptions
  /** What the session takes as inputs. */
  #bound: ReadonlySet<string> = new Set()
  /** The model that was fed last. A merger fills the same buffers again and again. */
  #weights: { readonly tensors: MergedModel['tensors']; readonly feeds: Feeds } | undefined
  readonly #named: NamedForGraph | undefined
  #session: InferenceSession | undefined
  #patchable: PatchableModel | undefined
  /** Milliseconds spent inside the runtime so far. */
  inferenceMs = 0

  /** @param threads that share the work of one operator, at least 1 */
  constructor(graph: PlannedGraph, runtime: Runtime, threads: number) {
    this.#graph = graph
    this.#runtime = runtime
    this.#options = { ...SESSION_OPTIONS, intraOpNumThreads: threads }
    this.#named = graph.names === undefined ? undefined : new NamedForGraph(graph.names, graph.file)
  }

  /** Builds the session for the weights that the graph alone tells. @throws {EvaluatorError} when the runtime cannot load it */
  async open(): Promise<void> {
    const { slots, match, file } = this.#graph
    await this.#bind(expectedWeights(slots, match, file))
  }

  /**
   * Runs `work` with the model's weights in the graph.
   * @param mode `inputs`: fed to the session that is there; `initializers`: in a session of the model's own
   */
  async withModel<T>(given: MergedModel, mode: WeightsMode, work: (runner: GraphRunner) => Promise<T>): Promise<T> {
    const model = this.#named?.model(given) ?? given
    await this.#feed(model)
    if (mode === 'inputs') return work(this.#runner(this.#session!, this.#weights!.feeds))
    this.preparePatchable()
    const started = performance.now()
    const own = await this.#sessionWith(model)
    this.inferenceMs += performance.now() - started
    try {
      return await work(this.#runner(own, {}))
    } finally {
      await own.release()
    }
  }

  /**
   * Makes the copy of the graph that weights are written into.
   * @throws {FormatError} when it would be too large for one file
   */
  preparePatchable(): void {
    this.#patchable ??= makePatchable(this.#graph.bytes, this.#bound, this.#graph.file)
  }

  /** Whether a session can have the weights inside: not where the graph takes some as inputs. */
  get takesInitializers(): boolean {
    return [...this.#graph.slots.values()].every(({ isInput }) => isInput !== true)
  }

  /** Lets go of the copy of the model that sessions of a model's own are built from. */
  dropPatchable(): void {
    this.#patchable = undefined
  }

  async close(): Promise<void> {
    const session = this.#session
    this.#session = undefined
    this.#bound = new Set()
    this.#patchable = undefined
    this.#weights = undefined
    await session?.release()
  }

  /** Builds the session that takes these initializers as inputs. */
  async #bind(names: ReadonlySet<string>): Promise<void> {
    await this.close() // leaves nothing behind that a failure below would make wrong
    const { bytes, slots, file } = this.#graph
    const inside = new Set([...names].filter(name => slots.get(name)?.isInput !== true))
    this.#session = await this.#create(promoteInitializers(bytes, inside, file))
    this.#bound = names
  }

  async #create(bytes: Uint8Array): Promise<InferenceSession> {
    try {
      return await this.#runtime.InferenceSession.create(bytes, this.#options)
    } catch (error) {
      throw new EvaluatorError(`onnxruntime cannot load ${this.#graph.file}: ${show(messageOf(error), 400)}`, {
        cause: error,
      })
    }
  }

  /** A session of the model's own, its weights written into the graph's bytes. */
  async #sessionWith(model: MergedModel): Promise<InferenceSession> {
    const { bytes, slots } = this.#patchable!
    for (const [name, slot] of slots) {
      const { data } = model.tensors.get(name)!
      bytes.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), slot.start)
    }
    return this.#create(bytes)
  }

  /** Matches the model to the graph and wraps views of its buffers: no copy, and nothing to do for a model that was seen before. */
  async #feed({ tensors }: MergedModel): Promise<void> {
    if (this.#weights?.tensors === tensors) return
    const { slots, match, file } = this.#graph
    const bound = matchWeights(slots, tensors, match, file)
    if (bound.size !== this.#bound.size || [...bound].some(name => !this.#bound.has(name))) await this.#bind(bound)
    const feeds: Record<string, Tensor> = {}
    for (const name of bound) {
      const { data, shape } = tensors.get(name)!
      feeds[name] = new this.#runtime.Tensor('float32', data, shape)
    }
    this.#weights = { tensors, feeds }
  }

  #runner(session: InferenceSession, weights: Feeds): GraphRunner {
    const { fixedRows, batchSize } = this.#graph
    // One object for all runs: of a new one each time, every lookup of an input by its name would be the first of its kind.
    const feeds: Record<string, Tensor> = { ...weights }
    return {
      fixedRows,
      batchSize,
      run: async (inputs, outputs) => {
        const started = performance.now()
        try {
          for (const [name, { dtype, dims, data }] of inputs) feeds[name] = new this.#runtime.Tensor(dtype, data, dims)
          return this.#outputs(await session.run(feeds, outputs), outputs)
        } catch (error) {
          if (error instanceof EvaluatorError) throw error
          throw new EvaluatorError(`onnxruntime cannot run ${this.#graph.file}: ${show(messageOf(error), 400)}`, {
            cause: error,
          })
        } finally {
          this.inferenceMs += performance.now() - started
        }
      },
    }
  }

  #outputs(found: Readonly<Record<string, Tensor>>, names: readonly string[]): ReadonlyMap<string, OutputArray> {
    const outputs = new Map<string, OutputArray>()
    for (const name of names) {
      const { type, dims, data } = found[name]!
      if (!(data instanceof Float32Array))
        throw new EvaluatorError(`Output ${show(name)} of ${this.#graph.file} must be float32; it is ${type}.`)
      outputs.set(name, { dims, data })
    }
    return outputs
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
