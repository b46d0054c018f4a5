// The public surface: named re-exports only. Everything else may change without notice.

export {
  chooseExamples,
  fitResponseModel,
  type Prediction,
  predictMean,
  type ResponseModel,
  type Skill,
  skillOf,
  unknownSkill,
} from './allocation/response-model.ts'
export { chooseShortTest, type ShortTest } from './allocation/short-test.ts'
export type { AddResult, Archive } from './archive/archive.ts'
export { hypervolume } from './archive/hypervolume.ts'
export { createParetoArchive } from './archive/pareto-archive.ts'
export type {
  Candidate,
  CandidateId,
  Domain,
  Evaluation,
  FailureKind,
  Gene,
  Genome,
  JsonValue,
  StopReason,
  Timing,
  Trial,
} from './candidate.ts'
export { loadEvaluatorFile, loadSearchConfig } from './config/load.ts'
export type { ConfigOverrides } from './config/overrides.ts'
export type { ResolvedConfig } from './config/resolved.ts'
export {
  AmalgamError,
  ConfigError,
  EvaluatorError,
  EXIT,
  ExecutorError,
  FormatError,
  GenomeError,
  MergeError,
  RunLockedError,
  RunStoreError,
} from './errors.ts'
export type {
  Evaluator,
  EvaluatorSession,
  MergedModel,
  Scores,
  SessionChoice,
  Split,
  TensorView,
} from './evaluation/evaluator.ts'
export type { EvaluationJob, EvaluatorReference, WorkerSetup } from './evaluation/job.ts'
export { createEvaluator } from './evaluation/registry.ts'
export type { Executor } from './executors/executor.ts'
export { createWorkerHostExecutor } from './executors/host/worker-host.ts'
export { createInlineExecutor } from './executors/inline.ts'
export {
  buildOnnxModel,
  type OnnxInitializerSpec,
  type OnnxNodeSpec,
  type OnnxValueSpec,
} from './formats/onnx-build.ts'
export { openCheckpoint } from './formats/open-file.ts'
export { writeSafetensors } from './formats/write-file.ts'
export { continueRun, type LaunchOptions, type Outcome, startRun } from './launch.ts'
export type { SourceReference } from './merge/model.ts'
export { mergeToFiles } from './merge/write-model.ts'
export { lossesOf, type Objective, referencePoint, toLoss } from './objective.ts'
export { collectFacts, type RunFacts } from './report/facts.ts'
export { frontJson } from './report/json.ts'
export { createRng, type Rng, type RngState, restoreRng } from './rng.ts'
export { viewRun } from './run-config.ts'
export { listRuns } from './runs/list-runs.ts'
export { readRun } from './runs/run-folder.ts'
export type { Run, RunManifest, RunReader } from './runs/run-store.ts'
export { type SearchParts, type SearchProgress, search } from './search.ts'
export { canonicalJson, type ParameterMerge, type Recipe, type RecipeGroup } from './space/recipe.ts'
export type { SearchSpace } from './space/search-space.ts'
export { STRATEGIES, strategyDefinition } from './strategies/registry.ts'
export type {
  Proposal,
  Snapshot,
  Strategy,
  StrategyContext,
  StrategyDefinition,
  ToldTrial,
} from './strategies/strategy.ts'
