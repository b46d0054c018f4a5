// Merges of large checkpoints, file to file: Amalgam, a plain copy of its output, and mergekit on the same files and configuration, each a
// process of its own, measured from start to end. After `npm run build`, with mergekit in a Python environment:
//   AMALGAM_MERGEKIT_PYTHON=.../python node bench/merge/files.mjs [--gb 2] [--experts 3] [--methods linear,ties] [--folder DIR]
//     [--repeats 1] [--without-mergekit]
// Amalgam leaves the hashes of the sources out of the model card, which mergekit's has not either.
// The checkpoints are made in a new folder under --folder (default: the system's temporary one) and removed afterwards.
import { spawn, spawnSync } from 'node:child_process'
import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { availableParallelism, cpus, tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { saveCheckpoints } from './checkpoints.mjs'

const { values: flags } = parseArgs({
  options: {
    gb: { type: 'string', default: '2' },
    experts: { type: 'string', default: '3' },
    methods: { type: 'string', default: 'linear,task_arithmetic,slerp,ties,dare_ties,della' },
    folder: { type: 'string', default: tmpdir() },
    repeats: { type: 'string', default: '1' },
    'without-mergekit': { type: 'boolean', default: false },
  },
})
const python = process.env.AMALGAM_MERGEKIT_PYTHON ?? 'bench/peers/.venv-mergekit/bin/python'
const mergekit = join(dirname(python), 'mergekit-yaml')
const compared = !flags['without-mergekit'] && existsSync(mergekit)
const amalgam = fileURLToPath(new URL('../../bin/amalgam.js', import.meta.url))
const copier = fileURLToPath(new URL('./copy.mjs', import.meta.url))
const commit = spawnSync('git', ['rev-parse', '--short', 'HEAD'], { encoding: 'utf8' }).stdout.trim()

/** Methods without a base, and those that merge one model into the base. */
const BASELESS = new Set(['linear', 'nuslerp', 'multislerp', 'karcher'])
const SINGLE = new Set(['slerp', 'nearswap', 'arcee_fusion'])

const folder = mkdtempSync(join(flags.folder, 'merge-files-'))
const clean = () => rmSync(folder, { recursive: true, force: true })
process.on('SIGINT', () => {
  clean()
  process.exit(130)
})
try {
  await main()
} finally {
  clean()
}

async function main() {
  const experts = Number(flags.experts)
  const { parameters, bytes } = saveCheckpoints(folder, Number(flags.gb), experts)
  console.log(
    `node ${process.version}, ${cpus().length} x ${cpus()[0].model}, commit ${commit}, ${folder.startsWith('/dev/shm') ? 'in memory (tmpfs)' : 'on disk'}`,
  )
  console.log(
    `base and ${experts} experts, ${parameters} parameters, ${(bytes / 1e9).toFixed(2)} GB each, bfloat16 in shards`,
  )
  console.log(
    'seconds from start to end of a process (processor seconds), peak resident memory; GB/s: read once and written',
  )
  console.log(
    `${''.padEnd(16)}${'amalgam'.padStart(22)}${'GB/s'.padStart(6)}${'copy of the output'.padStart(20)}${'copy/ours'.padStart(11)}${'mergekit'.padStart(24)}${'+ flush'.padStart(9)}${'ratio'.padStart(7)}`,
  )
  for (const method of flags.methods.split(',')) {
    for (let repeat = 0; repeat < Number(flags.repeats); repeat++) await measure(method, experts, bytes)
  }
}

async function measure(method, experts, bytes) {
  const config = join(folder, `${method}.yml`)
  const { text, inputs } = configuration(method, experts)
  writeFileSync(config, text)
  const [out, copy, theirs] = ['ours', 'copy', 'theirs'].map(name => join(folder, name))
  const ours = await timed(process.execPath, [amalgam, 'merge', config, '--out', out, '--no-digests'])
  const copied = await timed(process.execPath, [copier, out, copy])
  rmSync(copy, { recursive: true })
  rmSync(out, { recursive: true })
  const cells = [
    method.padEnd(16),
    `${seconds(ours)} ${memory(ours)}`.padStart(22),
    (((inputs + 1) * bytes) / 1e9 / ours.wall).toFixed(1).padStart(6),
    seconds(copied).padStart(20),
    `${((100 * copied.wall) / ours.wall).toFixed(0)} %`.padStart(11),
  ]
  if (compared) {
    const run = await timed(mergekit, [config, theirs], { OMP_NUM_THREADS: String(availableParallelism()) })
    const started = performance.now()
    flushFolder(theirs)
    const flush = (performance.now() - started) / 1000
    rmSync(theirs, { recursive: true })
    cells.push(`${seconds(run)} ${memory(run)}`.padStart(24), (run.wall + flush).toFixed(1).padStart(9))
    cells.push((run.wall / ours.wall).toFixed(1).padStart(7))
  }
  console.log(cells.join(''))
}

/** JSON is YAML. */
function configuration(method, experts) {
  const models = SINGLE.has(method) ? 1 : experts
  const own = {
    linear: { weight: 1 / models },
    nuslerp: { weight: 0.5 },
    multislerp: { weight: 0.5 },
    task_arithmetic: { weight: 0.4 },
    ties: { weight: 0.5, density: 0.5 },
    dare_linear: { weight: 0.5, density: 0.5 },
    dare_ties: { weight: 0.5, density: 0.5 },
    breadcrumbs: { weight: 0.5, density: 0.5, gamma: 0.05 },
    breadcrumbs_ties: { weight: 0.5, density: 0.5, gamma: 0.05 },
    della: { weight: 0.5, density: 0.5, epsilon: 0.1 },
    della_linear: { weight: 0.5, density: 0.5, epsilon: 0.1 },
  }[method]
  const parameters = { slerp: { t: 0.4 }, nearswap: { t: 0.001 }, sce: { select_topk: 0.5 } }[method]
  const base = join(folder, 'base')
  const listed = Array.from({ length: models }, (_, e) => ({
    model: join(folder, `expert${e}`),
    ...(own && { parameters: own }),
  }))
  const isBased = !BASELESS.has(method)
  const config = {
    merge_method: method,
    ...(isBased && { base_model: base }),
    models: method === 'slerp' ? [{ model: base }, ...listed] : listed,
    ...(parameters && { parameters }),
    dtype: 'bfloat16',
  }
  return { text: JSON.stringify(config, undefined, 1), inputs: models + (isBased ? 1 : 0) }
}

/** Nothing that an earlier process wrote is still on its way to the disk. */
function timed(command, args, environment = {}) {
  spawnSync('sync')
  return new Promise((resolve, reject) => {
    const started = performance.now()
    const child = spawn(command, args, { stdio: ['ignore', 'ignore', 'pipe'], env: { ...process.env, ...environment } })
    let errors = ''
    child.stderr.on('data', text => {
      errors = (errors + text).slice(-2000)
    })
    const usage = { peakBytes: 0, cpu: 0 }
    const watch = setInterval(() => watchProcess(child.pid, usage), 20)
    child.on('error', reject)
    child.on('exit', code => {
      clearInterval(watch)
      if (code !== 0) reject(new Error(`${command} ended with ${code}: ${errors}`))
      else resolve({ wall: (performance.now() - started) / 1000, ...usage })
    })
  })
}

function watchProcess(pid, usage) {
  try {
    const peak = /VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))
    if (peak) usage.peakBytes = Math.max(usage.peakBytes, Number(peak[1]) * 1024)
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1].split(' ')
    usage.cpu = (Number(fields[11]) + Number(fields[12])) / 100
  } catch {
    // it has just ended
  }
}

function flushFolder(path) {
  for (const name of readdirSync(path)) {
    const file = join(path, name)
    if (!statSync(file).isFile()) continue
    const descriptor = openSync(file, 'r')
    fsyncSync(descriptor)
    closeSync(descriptor)
  }
}

function seconds({ wall, cpu }) {
  return `${wall.toFixed(2)} (${cpu.toFixed(1)})`
}

function memory({ peakBytes }) {
  return `${(peakBytes / 1e6).toFixed(0)} MB`
}
