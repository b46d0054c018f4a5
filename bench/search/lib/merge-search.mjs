// One search on a landscape as `amalgam search` does it: a window of candidates in flight, told in ask order, and a winner
// named by the examples of `search` and `select` together.
import { createRng, load, strategyDefinition } from './amalgam.mjs'

const { createParetoArchive } = await load('archive/pareto-archive.js')
const { toLoss } = await load('objective.js')
const { scalarize } = await load('scalarization.js')
const { pooledLoss, searchShares } = await load('winner.js')

/** Candidates of a front that are scored again on `select`: as many as change anything. */
const FRONT_CAP = 16

/**
 * @param {{ kind: string, options?: object, landscape: any, seed: number, budget: number, slots: number, milestones: readonly number[] }} search
 * @returns {Promise<{ usesBudget: boolean, stop: string, decisions: string[], at: Record<number, object>, askMs: number }>} what was found after each number of evaluations
 */
export async function searchMerges({ kind, options = {}, landscape, seed, budget, slots, milestones }) {
  const { space, objectives } = landscape
  const definition = strategyDefinition(kind)
  let usesBudget = false
  const context = {
    domain: space,
    objectives,
    rng: createRng(seed).split('strategy'),
    slots,
    get budget() {
      usesBudget = true
      return budget
    },
  }
  const lossesOf = values => values.map((value, i) => toLoss(objectives[i], value))
  const archive = createParetoArchive(objectives)
  const trials = []
  const window = []
  const decisions = []
  const at = {}
  let asked = 0
  let askMs = 0
  const timed = work => {
    const start = performance.now()
    const result = work()
    askMs += performance.now() - start
    return result
  }
  const strategy = timed(() => definition.create(context, definition.options.parse(options)))
  for (;;) {
    while (strategy.stopReason() === undefined) {
      const room = Math.min(slots - window.length, budget - asked)
      if (room <= 0) break
      const proposals = timed(() => strategy.ask(room))
      if (proposals.length === 0) break
      for (const { genome, parents = [], memo = null } of proposals) {
        if (memo?.decision !== undefined) decisions.push(`${asked} ${memo.decision.strategy}: ${memo.decision.because}`)
        window.push({ id: asked++, genome: Float64Array.from(genome), parents, memo })
      }
    }
    const candidate = window.shift()
    if (candidate === undefined) break
    const { values, exampleScores } = await landscape.score(candidate.genome, 'search')
    timed(() => strategy.tell([{ ...candidate, losses: lossesOf(values), exampleScores }]))
    const trial = { ...candidate, evaluation: { status: 'scored', values, timing: {} } }
    trials.push(trial)
    archive.add(trial)
    if (milestones.includes(trials.length)) at[trials.length] = await outcome()
  }
  // A strategy that ends early has what it has.
  for (const milestone of milestones) if (milestone > trials.length) at[milestone] = await outcome()
  return { usesBudget, stop: strategy.stopReason()?.criterion ?? 'budget', decisions, at, askMs: Math.round(askMs) }

  async function outcome() {
    const loss = values => scalarize('worst', lossesOf(values), objectives)
    const front = [...archive].sort((a, b) => loss(a.evaluation.values) - loss(b.evaluation.values) || a.id - b.id)
    const shares = searchShares(landscape.examples('search'), landscape.examples('select'))
    let winner
    for (const { genome, evaluation } of front.slice(0, FRONT_CAP)) {
      const { values } = await landscape.score(genome, 'select')
      const pair = { search: evaluation, select: { status: 'scored', values, timing: {} } }
      const pooled = pooledLoss(pair, shares, objectives, 'worst')
      if (winner === undefined || pooled < winner.loss) winner = { genome, loss: pooled }
    }
    const { each } = await landscape.score(winner.genome, 'holdout')
    return {
      search: Number(loss(front[0].evaluation.values).toFixed(6)),
      worst: Number(Math.min(...each).toFixed(6)),
      mean: Number((each.reduce((sum, v) => sum + v, 0) / each.length).toFixed(6)),
      hypervolume: Number(archive.hypervolume().toFixed(6)),
    }
  }
}
