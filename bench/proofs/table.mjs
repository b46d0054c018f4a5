// The finished trial table of a run, as text: what must be identical between runs. No wall times, paths or process ids.
import { createHash } from 'node:crypto'
import { readRun } from '../../dist/runs/run-folder.js'

/** @param {string} folder */
export function trialTable(folder) {
  const run = readRun(folder)
  try {
    const lines = run.trials().map(trial => {
      const genome = Buffer.from(trial.genome.buffer, trial.genome.byteOffset, trial.genome.byteLength).toString('hex')
      const { evaluation } = trial
      const outcome =
        evaluation.status === 'scored' ? evaluation.values.map(v => bits(v)).join(' ') : `failed ${evaluation.kind}`
      return `${trial.id} ${genome} ${outcome}`
    })
    const told = run
      .events()
      .filter(event => event.type === 'told')
      .flatMap(event => event.ids)
    lines.push(`told ${told.join(' ')}`)
    for (const a of run.assessments()) {
      const outcome =
        a.evaluation.status === 'scored'
          ? a.evaluation.values.map(v => bits(v)).join(' ')
          : `failed ${a.evaluation.kind}`
      lines.push(`${a.subject} ${a.split} ${outcome}`)
    }
    lines.push(`winner ${JSON.stringify(run.fact('winner') ?? null)}`)
    return lines.join('\n')
  } finally {
    run.close()
  }
}

/** A float64's bits: equal text means equal bits, -0 included. @param {number} value */
function bits(value) {
  const buffer = Buffer.alloc(8)
  buffer.writeDoubleBE(value)
  return buffer.toString('hex')
}

/** @param {string} text */
export function digest(text) {
  return createHash('sha256').update(text).digest('hex').slice(0, 16)
}
