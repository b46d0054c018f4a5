import { readdirSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { isWhole, type Trial } from '../candidate.ts'
import { AmalgamError } from '../errors.ts'
import { lossesOf } from '../objective.ts'
import { scalarize } from '../scalarization.ts'
import { isLocked } from './lock.ts'
import { readRun } from './run-folder.ts'
import type { RunReader } from './run-store.ts'

/** `running`: a process writes to it; `finished`: its search has ended for a reason; `interrupted`: neither, it can be resumed. */
export type RunState = 'running' | 'finished' | 'interrupted'

/** One line about a run. */
export type RunSummary =
  | {
      /** Name of its folder under the root. */
      readonly id: string
      readonly state: RunState
      readonly createdAt: string // ISO 8601
      readonly strategy: string
      readonly told: number
      readonly failed: number // of those told
      readonly budget: number
      /** The told trial with the smallest augmented Tchebycheff loss (the smallest loss where there is one objective). */
      readonly best: { readonly id: number; readonly values: Readonly<Record<string, number>> } | undefined
    }
  | { readonly id: string; readonly state: 'damaged'; readonly problem: string }

/** The runs in the folders of `root`, oldest first, damaged ones last. Folders that hold no run are passed over. */
export function listRuns(root: string): RunSummary[] {
  const summaries = folders(resolve(root)).flatMap(id => {
    const summary = summarize(join(root, id), id)
    return summary === undefined ? [] : [summary]
  })
  const age = (summary: RunSummary) => (summary.state === 'damaged' ? '~' : summary.createdAt)
  return summaries.sort((a, b) => compare(age(a), age(b)) || compare(a.id, b.id))
}

function folders(root: string): string[] {
  try {
    return readdirSync(root, { withFileTypes: true }).flatMap(entry => (entry.isDirectory() ? [entry.name] : []))
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return [] // no run has been made yet
    throw error
  }
}

function summarize(folder: string, id: string): RunSummary | undefined {
  if (!readdirSync(folder).includes('run.sqlite')) return undefined
  let run: RunReader | undefined
  try {
    run = readRun(folder)
    const told = toldTrials(run)
    const { manifest } = run
    return {
      id,
      state: isLocked(folder) ? 'running' : run.stopReason() === undefined ? 'interrupted' : 'finished',
      createdAt: manifest.createdAt,
      strategy: manifest.strategy,
      told: told.length,
      failed: told.filter(trial => trial.evaluation.status === 'failed').length,
      budget: run.budget,
      best: best(told, run),
    }
  } catch (error) {
    if (error instanceof AmalgamError) return { id, state: 'damaged', problem: error.message }
    throw error
  } finally {
    run?.close()
  }
}

function toldTrials(run: RunReader): Trial[] {
  const told = new Set(run.events().flatMap(event => (event.type === 'told' ? event.ids : [])))
  return run.trials().filter(trial => told.has(trial.id))
}

function best(trials: readonly Trial[], run: RunReader): { id: number; values: Record<string, number> } | undefined {
  const { objectives } = run.manifest
  let winner: Trial | undefined
  let least = Infinity
  for (const trial of trials) {
    const losses = isWhole(trial.evaluation) ? lossesOf(trial.evaluation, objectives) : undefined
    const loss = losses === undefined ? Infinity : scalarize('worst', losses, objectives)
    if (loss < least) [winner, least] = [trial, loss]
  }
  if (winner?.evaluation.status !== 'scored') return undefined
  const { values } = winner.evaluation
  return { id: winner.id, values: Object.fromEntries(objectives.map((objective, i) => [objective.name, values[i]!])) }
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
