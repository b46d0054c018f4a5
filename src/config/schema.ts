import { z } from 'zod'
import { genomeSchema } from '../space/genome-config.ts'
import { mergekitEvolveKeys } from './mergekit-evolve.ts'

/** Source ids occur in gene names, file names and reports. As in recipes. */
export const SOURCE_ID = /^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$/

const modelSchema = z
  .union([
    z.string().min(1),
    z.strictObject({
      id: z
        .string()
        .regex(SOURCE_ID, 'a model id has letters, digits, ".", "_" and "-" only, at most 128')
        .optional()
        .describe('Name of the model in genes, recipes and reports. Default: from the name of the file.'),
      path: z
        .string()
        .min(1)
        .describe('A .safetensors or .onnx file, a folder with model.safetensors or its index, or MODEL+ADAPTER.'),
      statistics: z
        .string()
        .min(1)
        .optional()
        .describe(
          'For fisher and regmean: a .safetensors file, or a folder of shards, with the statistics that docs/statistics.md describes.',
        ),
    }),
  ])
  .describe(
    'A .safetensors or .onnx file, or a folder with model.safetensors or its index, relative to the folder of this file; MODEL+ADAPTER for a model with a low-rank adapter, or the ADAPTER alone where it is one of base_model; or {id, path, statistics}.',
  )
export type ModelEntry = z.infer<typeof modelSchema>

const genomeFileSchema = z.strictObject({
  models: z.array(modelSchema).min(1).max(256).describe('The models to merge.'),
  base_model: modelSchema
    .optional()
    .describe('Their common ancestor, for methods on task vectors; for slerp the model it starts from.'),
  ...genomeSchema.shape,
})

/** A search-space file: what `amalgam search` reads. */
export const searchFileSchema = z.strictObject({
  genome: genomeFileSchema.describe('What is searched: models, method, and which coefficients vary.'),
  evaluator: z
    .union([z.string().min(1), z.looseObject({ kind: z.string(), id: z.string().optional() })])
    .optional()
    .describe(
      'What scores a merge: the path of an evaluator file, relative to the folder of this file, or its content.',
    ),
  objectives: z
    .array(
      z.union([
        z.string().min(1),
        z.strictObject({
          name: z.string().min(1).describe('Name of the objective.'),
          reference: z.number().optional().describe('Worst acceptable value, instead of what the evaluator says.'),
        }),
      ]),
    )
    .min(1)
    .max(64)
    .optional()
    .describe('Which objectives of the evaluator to optimise. Default: all.'),
  strategy: z
    .union([z.string().min(1), z.looseObject({ kind: z.string() })])
    .default('auto')
    .describe('How to search: the name of a strategy, or {kind: NAME, ...its options}.'),
  warm_start: z
    .string()
    .min(1)
    .optional()
    .describe(
      'A run to learn from: its folder, relative to the folder of this file, or a name under runs/. It must be over the same ' +
        'models, genes and evaluator.',
    ),
  guesses: z
    .array(z.string().min(1))
    .min(1)
    .max(1000)
    .optional()
    .describe(
      'Known recipes to try early: recipe files, relative to the folder of this file, or RUN:CANDIDATE (a number, or "winner").',
    ),
  budget: z.int().min(1).max(10_000_000).default(100).describe('Candidates to evaluate.'),
  seed: z.int().default(0).describe('Seed of everything random. Equal config, seed and slots give an equal run.'),
  slots: z
    .int()
    .min(1)
    .max(1024)
    .default(8)
    .describe('Candidates in flight; part of what decides a run, unlike the number of workers.'),
  workers: z
    .union([z.int().min(1).max(256), z.literal('auto')])
    .default('auto')
    .describe('Worker threads. auto: one per processor core. Never changes a result.'),
  mode: z
    .enum(['ordered', 'async'])
    .default('ordered')
    .describe('ordered: results are learned in ask order, reproducibly. async: on arrival, without waiting.'),
  racing: z
    .union([
      z.boolean(),
      z.strictObject({
        eta: z
          .number()
          .gt(1)
          .max(27)
          .default(2)
          .describe('Each rung has so many times the examples of the one before.'),
        alpha: z
          .number()
          .gt(0)
          .max(0.5)
          .default(0.05)
          .describe('Chance of stopping, as worse than a finished candidate, one that is not.'),
        share: z
          .number()
          .gt(0)
          .max(1)
          .default(1 / 4)
          .describe(
            'Share of the examples that a candidate sees at most unless it may be the best so far. 1: all of them, unless it is worse than a finished candidate with confidence.',
          ),
      }),
    ])
    .default(false)
    .describe(
      'Evaluate candidates on few examples first, and only those worth it on all: true, false, or {eta, alpha, share}. ' +
        'What the report quotes is always scored on all examples.',
    ),
  evaluation: z
    .strictObject({
      timeout: z.number().positive().max(604_800).default(600).describe('Seconds a candidate may take.'),
      memory: z
        .union([z.int().min(1), z.string()])
        .optional()
        .describe('What a worker process may use: bytes, or text such as "4 GiB". Default: no limit.'),
    })
    .prefault({})
    .describe('Limits of a single evaluation. A candidate that exceeds one fails; the run goes on.'),
  baselines: z
    .strictObject({
      random_search: z
        .boolean()
        .default(true)
        .describe('Also spend the same budget on random candidates, to compare with.'),
    })
    .prefault({})
    .describe('What a winner is compared with, besides base, models and uniform average.'),
  ...mergekitEvolveKeys,
})
export type SearchFile = z.infer<typeof searchFileSchema>

const UNITS: Readonly<Record<string, number>> = {
  B: 1,
  kB: 1e3,
  MB: 1e6,
  GB: 1e9,
  TB: 1e12,
  KiB: 2 ** 10,
  MiB: 2 ** 20,
  GiB: 2 ** 30,
  TiB: 2 ** 40,
}

/** `4 GiB` → bytes; `undefined` if it is no size. */
export function parseBytes(size: number | string): number | undefined {
  if (typeof size === 'number') return size
  const match = /^(\d{1,12}(?:\.\d{1,6})?) ?([A-Za-z]{1,3})$/.exec(size.trim())
  const unit = match && Object.hasOwn(UNITS, match[2]!) ? UNITS[match[2]!] : undefined
  const bytes = unit === undefined ? undefined : Math.round(Number(match![1]) * unit)
  return bytes !== undefined && bytes >= 1 && Number.isSafeInteger(bytes) ? bytes : undefined
}
