import { cpus } from 'node:os'
import { createParetoArchive } from './archive/pareto-archive.ts'
import { cachedExecutor } from './cached-executor.ts'
import type { Candidate, Evaluation, StopReason } from './candidate.ts'
import { selectObjectives } from './config/objectives.ts'
import type { ResolvedConfig } from './config/resolved.ts'
import { decisionsOf } from './decision.ts'
import { ConfigError, RunStoreError, show } from './errors.ts'
import type { EvaluationJob } from './evaluation/job.ts'
import { createEvaluator } from './evaluation/registry.ts'
import { describeChoice } from './evaluation/session-choices.ts'
import type { Executor } from './executors/executor.ts'
import { createWorkerHostExecutor } from './executors/host/worker-host.ts'
import { finalize } from './finalize.ts'
import { digestFiles, inspectSources, type SourceInspection, sourcesWithout } from './merge/sources.ts'
import type { Objective } from './objective.ts'
import { type RacingOptions, whyNoRaces } from './race.ts'
import { recordOf } from './record-space.ts'
import { replay } from './resume.ts'
import { createRng } from './rng.ts'
import { recordChoices, workersChoice } from './run-choices.ts'
import { recordConfig, scalarizationOf, spaceOf, viewRun } from './run-config.ts'
import { createRun, openRun } from './runs/run-folder.ts'
import type { Run, RunManifest } from './runs/run-store.ts'
import { FORMAT } from './runs/schema.ts'
import { ScoreCache } from './runs/score-cache.ts'
import { type SearchProgress, search } from './search.ts'
import type { SearchSpace } from './space/search-space.ts'
import { type Start, startOf } from './start.ts'
import { strategyDefinition } from './strategies/registry.ts'
import type { Snapshot, Strategy, StrategyContext } from './strategies/strategy.ts'
import { dependencyVersion, version } from './version.ts'
import { gatherStart } from './warm-start.ts'

/**
 * Puts the parts of a run together and lets it run: the composition root of command line and library alike. Nothing here loads
 * onnxruntime; that happens in the worker host.
 */
export interface LaunchOptions {
  /** Fires to stop: what is running may finish within `graceMs`, then the run can be resumed. */
  readonly signal: AbortSignal
  /** Worker threads; overrides the config. Never changes a result. */
  readonly workers?: number | undefined
  /** Default 10 s. */
  readonly graceMs?: number | undefined
  /** File of the example scores of earlier runs, made if it is missing: what was scored before is not scored again. Absent: none. */
  readonly cache?: string | undefined
  readonly onProgress?: (progress: SearchProgress) => void
  /** While baselines, the front and the winner are scored: jobs done and jobs known to be needed so far. */
  readonly onScoring?: (done: number, total: number) => void
  /** A sentence worth a line: a worker host that ended, what an evaluator has decided. */
  readonly onMessage?: (message: string) => void
}

/** After an abort, how long what is running may take to be recorded. */
const GRACE_MS = 10_000

export interface Outcome {
  readonly folder: string
  readonly stop: StopReason
  /** The run is unfinished and can be resumed. */
  readonly interrupted: boolean
  /** At least one candidate was scored. */
  readonly feasible: boolean
}

/**
 * Starts a search in a new folder.
 * @throws {AmalgamError} before the folder exists, if anything the config names is missing, broken or does not fit.
 */
export async function startRun(given: ResolvedConfig, folder: string, options: LaunchOptions): Promise<Outcome> {
  const facts = await evaluatorFacts(given)
  const config = { ...given, sources: sourcesWithout(given.sources, facts.unmerged) }
  const { objectives, inputs } = facts
  const inspection = inspectSources(config.sources)
  const recorded = recordOf(config, inspection, { weights: true })
  const space = spaceOf(recorded)
  const sources = await sourceDigests(inspection)
  const digests = { ...inputs, ...sources } // an evaluator may read a source too, and digests it with what it reads beside it
  const started = gatherStart(config, { space, objectives, digests })
  // What cannot be recorded exactly, and a strategy that cannot search this space, say so now.
  const start = startOf({ folder, fact: name => started[name] }, space.genes.length, objectives.length)
  strategyFactory(config, space, objectives, start).create()
  const manifest: RunManifest = {
    format: FORMAT,
    runId: folderName(folder),
    createdAt: new Date().toISOString(),
    seed: config.seed,
    slots: config.slots,
    strategy: config.strategy.kind,
    config: recordConfig(recorded),
    objectives,
    geneNames: space.genes.map(gene => gene.name),
    digests,
    environment: environment(),
  }
  const executor = await openExecutor(config, facts, digestsById(inspection, sources), options)
  try {
    const run = createRun(folder, manifest, { budget: config.budget, facts: started })
    try {
      return await conduct(run, config, space, executor, options)
    } finally {
      run.close()
    }
  } finally {
    await executor.close()
  }
}

/**
 * Goes on with a run from its folder alone.
 * @param budget raises the run's budget.
 * @throws {RunStoreError} if the run is damaged or one of its input files has changed; {RunLockedError} if it is being written to.
 */
export async function continueRun(
  folder: string,
  budget: number | undefined,
  options: LaunchOptions,
): Promise<Outcome> {
  const run = openRun(folder)
  try {
    const { config: recorded, space } = viewRun(run)
    const config = recorded.resolved
    const facts = await evaluatorFacts(config)
    const inspection = inspectSources(config.sources)
    const sources = await sourceDigests(inspection)
    requireSameInputs(run, { ...facts.inputs, ...sources })
    if (budget !== undefined) {
      if (budget < run.budget) {
        throw new ConfigError(`The budget can only be raised: the run has ${run.budget}, got ${budget}.`, {
          hint: 'Leave --budget out to finish the run as it is.',
        })
      }
      if (budget > run.budget) run.raiseBudget(budget)
    }
    const executor = await openExecutor(config, facts, digestsById(inspection, sources), options)
    try {
      return await conduct(run, config, space, executor, options)
    } finally {
      await executor.close()
    }
  } finally {
    run.close()
  }
}

async function conduct(
  run: Run,
  config: ResolvedConfig,
  space: SearchSpace,
  executor: Executor,
  options: LaunchOptions,
): Promise<Outcome> {
  const { objectives } = run.manifest
  const { slots } = config
  const scalarization = scalarizationOf(config)
  const archive = createParetoArchive(objectives)
  let noted = 0
  const noteChoices = (): void => {
    const { choices } = executor.diagnostics()
    if (choices.length > noted) recordChoices(run, choices)
    noted = choices.length
  }
  const factory = strategyFactory(config, space, objectives, startOf(run, space.genes.length, objectives.length))
  const { strategy, pending } = replay(run, factory, archive)
  const toJob = (candidate: Candidate): EvaluationJob => ({
    label: `candidate ${candidate.id}`,
    recipe: space.decode(candidate.genome),
    split: 'search',
  })
  const outcome = (stop: StopReason, interrupted: boolean): Outcome => ({
    folder: run.folder,
    stop,
    interrupted,
    feasible: archive.size > 0,
  })
  const stop = await search(
    {
      space,
      objectives,
      scalarization,
      strategy,
      executor,
      archive,
      run,
      budget: run.budget,
      slots,
      mode: config.mode,
      racing: racingOf(config, objectives, executor, options),
      pending,
      toJob,
      graceMs: options.graceMs ?? GRACE_MS,
      onProgress: options.onProgress,
      onAsked: candidates => {
        noteChoices()
        for (const { candidate, strategy: kind, because } of decisionsOf(candidates))
          options.onMessage?.(`${config.strategy.kind}: ${kind} from candidate ${candidate} on: ${because}`)
      },
    },
    options.signal,
  )
  noteChoices()
  if (stop.criterion === 'interrupted') return outcome(stop, true)
  if (archive.size === 0) return outcome(stop, false)
  const finished = await finalize(
    {
      run,
      executor,
      objectives,
      scalarization,
      space,
      sources: { models: config.models, base: config.base },
      slots,
      randomSearch: config.baselines.randomSearch
        ? { strategy: randomStrategy(config, space, objectives, config.budget), budget: run.budget }
        : undefined,
      graceMs: options.graceMs ?? GRACE_MS,
      onProgress: options.onScoring,
    },
    options.signal,
  )
  noteChoices()
  return outcome(finished ? stop : { criterion: 'interrupted', detail: 'while scoring the front' }, !finished)
}

/** What the config says, where the evaluator allows it. */
function racingOf(
  { racing }: ResolvedConfig,
  objectives: readonly Objective[],
  executor: Executor,
  { onMessage }: LaunchOptions,
): RacingOptions | undefined {
  if (racing === undefined) return undefined
  const why = whyNoRaces(objectives, executor.exampleCount('search'), racing.eta)
  if (why === undefined) return racing
  onMessage?.(`racing: every candidate is scored on all examples, because ${why}`)
  return undefined
}

interface StrategyFactory {
  create(): Strategy
  restore(snapshot: Snapshot): Strategy
}

function strategyFactory(
  config: ResolvedConfig,
  space: SearchSpace,
  objectives: readonly Objective[],
  start: Start,
): StrategyFactory {
  const definition = strategyDefinition(config.strategy.kind)
  const parsed = definition.options.parse(config.strategy.options)
  // A fresh generator for each: a strategy that is created and thrown away must not move the next one's.
  const context = (): StrategyContext => ({
    domain: space,
    objectives,
    rng: createRng(config.seed).split('strategy'),
    budget: config.budget, // as it was first given, even when it has been raised: a replay must ask what was asked
    slots: config.slots,
    ...start,
  })
  return {
    create: () => definition.create(context(), parsed),
    restore: snapshot => definition.restore(context(), parsed, snapshot),
  }
}

function randomStrategy(
  config: ResolvedConfig,
  space: SearchSpace,
  objectives: readonly Objective[],
  budget: number,
): Strategy {
  const definition = strategyDefinition('random')
  return definition.create(
    { domain: space, objectives, rng: createRng(config.seed).split('random baseline'), budget },
    definition.options.parse({}),
  )
}

async function evaluatorFacts(config: ResolvedConfig) {
  const evaluator = await createEvaluator(config.evaluator)
  const { objectives, positions } = selectObjectives(evaluator.objectives, config.objectives)
  const { inputs, digest, unmerged } = evaluator
  return { objectives, positions, inputs, all: evaluator.objectives, digest, unmerged }
}
type EvaluatorFacts = Awaited<ReturnType<typeof evaluatorFacts>>

/** File → SHA-256. */
async function sourceDigests(inspection: SourceInspection): Promise<Record<string, string>> {
  const files = new Set(inspection.sources.flatMap(source => source.files))
  return Object.fromEntries((await digestFiles([...files])).map(({ path, sha256 }) => [path, sha256]))
}

/** Source → SHA-256 of its files. */
function digestsById(inspection: SourceInspection, files: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(
    inspection.sources.map(source => [source.id, source.files.map(file => files[file]).join(' ')]),
  )
}

/** The evaluator scores all its objectives; the run records those it optimises, in its order. */
async function openExecutor(
  config: ResolvedConfig,
  { positions, all, digest }: EvaluatorFacts,
  sources: Readonly<Record<string, string>>,
  options: LaunchOptions,
): Promise<Executor> {
  let closing = false
  const asked = options.workers ?? (config.workers === 'auto' ? undefined : config.workers)
  const sideBySide = workersChoice(asked, cpus().length, config.slots)
  const host = await createWorkerHostExecutor(
    { sources: config.sources, evaluator: config.evaluator },
    {
      workers: Number(sideBySide.value),
      evaluationTimeoutMs: config.evaluation.timeoutMs,
      ...(config.evaluation.memoryBytes !== undefined && { memoryLimitBytes: config.evaluation.memoryBytes }),
      onEvent: event => {
        if (event.type === 'ended' && !closing) options.onMessage?.(`worker host: ${event.reason}`)
        if (event.type === 'chose') options.onMessage?.(describeChoice(event.choice))
      },
    },
  )
  const measured = all.filter(({ isMeasured }) => isMeasured).map(({ name }) => name)
  if (measured.length > 0)
    options.onMessage?.(
      `${measured.join(', ')}: measured, so this run cannot be repeated bit by bit, and its scores are neither kept nor taken from earlier runs.`,
    )
  const cache =
    options.cache === undefined || measured.length > 0
      ? undefined
      : ScoreCache.open(options.cache, message => options.onMessage?.(message))
  const executor =
    cache === undefined
      ? host
      : cachedExecutor({ executor: host, cache, objectives: all, evaluatorDigest: digest, sources })
  return {
    submit: async (job, signal) => {
      const { ranges, ...rest } = job
      if (ranges === undefined) return pick(await executor.submit(job, signal), positions)
      const wanted = executor.exampleCount(job.split).map(() => ({ begin: 0, end: 0 }))
      positions.forEach((position, i) => {
        wanted[position] = ranges[i]!
      })
      return pick(await executor.submit({ ...rest, ranges: wanted }, signal), positions)
    },
    exampleCount: split => pickEach(executor.exampleCount(split), positions),
    diagnostics: () => {
      const { restarts, choices } = executor.diagnostics()
      return { restarts, choices: [sideBySide, ...choices] }
    },
    close: () => {
      closing = true
      return executor.close()
    },
  }
}

function pick(evaluation: Evaluation, positions: readonly number[]): Evaluation {
  if (evaluation.status === 'failed') return evaluation
  const { values, exampleScores, ...rest } = evaluation
  return {
    ...rest,
    values: pickEach(values, positions),
    ...(exampleScores && { exampleScores: pickEach(exampleScores, positions) }),
  }
}

function pickEach<T>(items: readonly T[], positions: readonly number[]): T[] {
  return positions.map(position => items[position]!)
}

function requireSameInputs(run: Run, digests: Readonly<Record<string, string>>): void {
  for (const [file, recorded] of Object.entries(run.manifest.digests)) {
    const found = digests[file]
    if (found === recorded) continue
    throw new RunStoreError(
      `${show(file)} is not the file this run was started with: expected SHA-256 ${recorded}, found ${found ?? 'no such input'}.`,
      { hint: 'Put the old file back, or start a new run.' },
    )
  }
}

function environment(): Record<string, string> {
  return {
    amalgam: version(),
    node: process.versions.node,
    onnxruntime: dependencyVersion('onnxruntime-node'),
    platform: `${process.platform}-${process.arch}`,
    cpu: cpus()[0]?.model ?? 'unknown',
  }
}

function folderName(folder: string): string {
  return (
    folder
      .replace(/[\\/]+$/, '')
      .split(/[\\/]/)
      .at(-1) || folder
  )
}
