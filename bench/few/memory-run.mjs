/** A run store that forgets: as much of `Run` as the search loop uses, without a file. */
export function memoryRun(objectives) {
  const candidates = []
  const evaluations = new Map()
  const events = []
  const rungs = new Map()
  return {
    folder: 'memory',
    manifest: { objectives },
    events: () => events,
    candidates: () => candidates,
    candidate: id => candidates[id],
    evaluation: id => evaluations.get(id),
    rungs: id => rungs.get(id) ?? [],
    trials: () =>
      candidates.filter(({ id }) => evaluations.has(id)).map(c => ({ ...c, evaluation: evaluations.get(c.id) })),
    stopReason: () => undefined,
    recordAsked: (requested, list) => {
      candidates.push(...list)
      return events.push({ seq: events.length + 1, type: 'asked', requested, ids: list.map(({ id }) => id) })
    },
    recordEvaluation: (id, evaluation) => {
      evaluations.set(id, evaluation)
      rungs.delete(id)
    },
    recordRung: (id, rung, evaluation) => {
      rungs.set(id, [...(rungs.get(id) ?? []).slice(0, rung), evaluation])
    },
    recordTold: ids => events.push({ seq: events.length + 1, type: 'told', ids }),
    recordSnapshot: () => {},
    recordStopped: () => {},
  }
}
