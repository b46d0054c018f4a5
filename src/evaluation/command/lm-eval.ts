import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { show } from '../../errors.ts'
import { CandidateFailure } from '../candidate-failure.ts'
import type { ExampleRange } from '../evaluator.ts'
import { type Answer, isRecord, parseLooseJson } from './answer.ts'

/**
 * What lm-evaluation-harness writes with `--output_path FOLDER --log_samples`: `results_<time>.json`, and `samples_<task>_<time>.jsonl` with
 * a line per document and filter, both in FOLDER or in a folder of the model's name below it.
 */

export interface WantedMetric {
  /** Name of the objective. */
  readonly objective: string
  readonly task: string
  /** `acc`, or with a filter `exact_match,strict-match`; without one the filter is `none`. */
  readonly metric: string
}

/** Per document of a perplexity task the harness keeps [log-likelihood in nats, words or bytes]; its own aggregate is over all of them. A perplexity's score stays in nats: e to what a word without spaces costs is no number. */
const PER_DOCUMENT: Readonly<Record<string, (nats: number) => number>> = {
  word_perplexity: nats => nats,
  byte_perplexity: nats => nats,
  bits_per_byte: nats => nats / Math.LN2,
}

/** The value of `--samples`: task → document numbers. Objectives of one task share its documents. */
export function samplesArgument(tasks: readonly string[], asked: readonly ExampleRange[]): string {
  const documents = new Map<string, Set<number>>()
  tasks.forEach((task, i) => {
    const own = documents.get(task) ?? new Set()
    for (let document = asked[i]!.begin; document < asked[i]!.end; document++) own.add(document)
    documents.set(task, own)
  })
  return JSON.stringify(
    Object.fromEntries(Array.from(documents, ([task, own]) => [task, [...own].sort((a, b) => a - b)])),
  )
}

/**
 * @param limitBytes of each file
 * @throws {CandidateFailure} when the results of a task or a metric are not there
 */
export function readLmEvalAnswer(folder: string, wanted: readonly WantedMetric[], limitBytes: number): Answer {
  const files = listFiles(folder)
  const resultsFile = files.filter(({ name }) => /^results_.*\.json$/.test(name)).at(-1)
  if (resultsFile === undefined)
    throw new CandidateFailure('threw', 'lm_eval wrote no results_*.json; is {out} its --output_path?')
  const results = parseLooseJson(read(resultsFile.path, limitBytes))
  const byTask = isRecord(results) && isRecord(results.results) ? results.results : {}
  const values = new Map<string, unknown>()
  const scores = new Map<string, unknown>()
  for (const { objective, task, metric } of wanted) {
    const [name, filter = 'none'] = metric.split(',')
    const ofTask = byTask[task]
    if (!isRecord(ofTask))
      throw new CandidateFailure(
        'threw',
        `lm_eval has no results of the task ${show(task)}; it has ${show(Object.keys(byTask).join(', '))}.`,
      )
    const value = ofTask[`${name},${filter}`]
    if (value === undefined)
      throw new CandidateFailure(
        'threw',
        `lm_eval has no ${show(`${name},${filter}`)} of the task ${show(task)}; it has ${show(metricsOf(ofTask))}.`,
      )
    values.set(objective, value)
    const samples = files
      .filter(file => file.name.startsWith(`samples_${task}_`) && file.name.endsWith('.jsonl'))
      .at(-1)
    if (samples !== undefined) scores.set(objective, readSamples(samples.path, name!, filter, limitBytes))
  }
  return { id: undefined, values, scores, error: undefined }
}

/** The scores of one metric, by document number. */
function readSamples(path: string, metric: string, filter: string, limitBytes: number): unknown[] {
  const rows: { readonly document: number; readonly score: unknown }[] = []
  for (const line of read(path, limitBytes).split('\n')) {
    if (line.trim() === '') continue
    const row = parseLooseJson(line)
    if (!isRecord(row) || typeof row.doc_id !== 'number')
      throw new CandidateFailure('threw', `A line of ${show(path)} is no sample of lm_eval: ${show(line, 80)}.`)
    if (row.filter !== undefined && row.filter !== filter) continue
    if (row[metric] !== undefined) rows.push({ document: row.doc_id, score: scoreOf(metric, row[metric]) })
  }
  return rows.sort((a, b) => a.document - b.document).map(({ score }) => score)
}

function scoreOf(metric: string, score: unknown): unknown {
  if (!Array.isArray(score)) return score
  const [logLikelihood, length] = score
  const perDocument = PER_DOCUMENT[metric]
  if (perDocument === undefined || typeof logLikelihood !== 'number' || typeof length !== 'number') return score
  return perDocument(-logLikelihood / length)
}

function metricsOf(results: Readonly<Record<string, unknown>>): string {
  return Object.keys(results)
    .filter(key => key.includes(',') && !key.includes('_stderr,'))
    .join(' ')
}

/** Files of a folder and of the folders in it, by name. */
function listFiles(folder: string): { readonly name: string; readonly path: string }[] {
  const found: { name: string; path: string }[] = []
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name)
    if (entry.isFile()) found.push({ name: entry.name, path })
    else if (entry.isDirectory()) {
      for (const inner of readdirSync(path, { withFileTypes: true }))
        if (inner.isFile()) found.push({ name: inner.name, path: join(path, inner.name) })
    }
  }
  return found.sort((a, b) => (a.name < b.name ? -1 : 1))
}

function read(path: string, limitBytes: number): string {
  const { size } = statSync(path)
  if (size > limitBytes)
    throw new CandidateFailure('threw', `lm_eval wrote ${size} bytes to ${show(path)}, more than ${limitBytes}.`)
  return readFileSync(path, 'utf8')
}
