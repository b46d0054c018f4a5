// Kills writers at random moments, and lets disks run full: under the final name there is the whole model or none.
//   node bench/proofs/torn-writes.mjs [--kills 40] [--seed 1]
// The full disk is a small tmpfs, which takes root; without, that part is left out and said so.
import { spawn, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { buildOnnxModel } from '../../dist/formats/onnx-build.js'
import { writeSafetensors } from '../../dist/formats/write-file.js'
import { createRng } from '../../dist/rng.js'

const { values: options } = parseArgs({
  options: { kills: { type: 'string', default: '40' }, seed: { type: 'string', default: '1' } },
})
const root = fileURLToPath(new URL('../..', import.meta.url))
const folder = mkdtempSync(join(tmpdir(), 'amalgam-torn-'))
const rng = createRng(Number(options.seed))
const TENSORS = 8
const ELEMENTS = 1 << 20 // 4 MiB each

const OUTPUTS = {
  'one .safetensors file': { recipe: 'safetensors.yaml', out: 'x.safetensors', flags: [] },
  'a folder of shards': { recipe: 'safetensors.yaml', out: 'x', flags: ['--shard-size', '9 MB'] },
  'one .onnx file': { recipe: 'onnx.yaml', out: 'x.onnx', flags: [] },
  'an .onnx file and its weights': { recipe: 'onnx.yaml', out: 'x.onnx', flags: ['--external-data'] },
}

function makeModels() {
  for (const id of ['a', 'b']) {
    const initializers = Array.from({ length: TENSORS }, (_, t) => ({
      name: `layers.${t}.w`,
      shape: [ELEMENTS],
      data: Float32Array.from({ length: ELEMENTS }, () => rng.uniform()),
    }))
    writeSafetensors(
      join(folder, `${id}.safetensors`),
      initializers.map(({ name, shape, data }) => [name, { dtype: 'F32', shape, data: new Uint8Array(data.buffer) }]),
    )
    writeFileSync(join(folder, `${id}.onnx`), buildOnnxModel({ inputs: [], outputs: [], nodes: [], initializers }))
  }
  for (const kind of ['safetensors', 'onnx']) {
    const recipe = {
      format: 1,
      models: { a: { path: `a.${kind}` }, b: { path: `b.${kind}` } },
      recipe: {
        kind: 'parameter-merge',
        method: 'linear',
        sources: ['a', 'b'],
        parameters: {},
        groups: [{ layers: 'all', coefficients: { a: { weight: 0.3 }, b: { weight: 0.7 } } }],
      },
    }
    writeFileSync(join(folder, `${kind}.yaml`), JSON.stringify(recipe))
  }
}

/** Of all files under a place with that name, by name; hidden ones are what is not finished. */
function digest(place, name) {
  const hash = createHash('sha256')
  for (const found of readdirSync(place)
    .filter(file => file.startsWith(name))
    .sort()) {
    const path = join(place, found)
    const files = statSync(path).isDirectory()
      ? readdirSync(path)
          .sort()
          .map(file => join(path, file))
      : [path]
    for (const file of files) hash.update(file.slice(place.length)).update(readFileSync(file))
  }
  return hash.digest('hex')
}

const merge = ({ recipe, out, flags }, place) => [
  'bin/amalgam.js',
  'merge',
  join(folder, recipe),
  '--out',
  join(place, out),
  ...flags,
]

/** @returns whether it was killed before it ended by itself */
function killed(args, afterMs) {
  return new Promise(resolve => {
    const child = spawn(process.execPath, args, { cwd: root, stdio: 'ignore' })
    const timer = setTimeout(() => child.kill('SIGKILL'), afterMs)
    child.on('close', (_, signal) => {
      clearTimeout(timer)
      resolve(signal === 'SIGKILL')
    })
  })
}

function fresh(name) {
  const place = join(folder, name)
  rmSync(place, { recursive: true, force: true })
  mkdirSync(place)
  return place
}

async function kills(title, output) {
  const reference = fresh('reference')
  const started = performance.now()
  const whole = spawnSync(process.execPath, merge(output, reference), { cwd: root, encoding: 'utf8' })
  const ms = performance.now() - started
  if (whole.status !== 0) throw new Error(whole.stderr)
  const expected = digest(reference, output.out)
  let [count, absent, complete, torn, unfinished] = [0, 0, 0, 0, 0]
  while (count < Number(options.kills)) {
    const place = fresh('killed')
    // From the first writes on: before them lies the start of the process.
    if (!(await killed(merge(output, place), ms * (0.3 + 0.7 * rng.uniform())))) continue
    count++
    const names = readdirSync(place)
    if (names.some(name => name.startsWith('.'))) unfinished++
    // Weights without a graph are no model; a graph without its weights would be a torn one.
    if (!existsSync(join(place, output.out))) absent++
    else if (digest(place, output.out) === expected) complete++
    else torn++
  }
  console.log(
    `${title}: ${count} SIGKILL, ${absent} times no model, ${complete} times the whole one, ${torn} torn; ${unfinished} times a hidden unfinished file beside`,
  )
  return torn
}

/** A disk that fills while a merge is going on, and one that is too small from the beginning. */
async function fullDisk(title, output) {
  const disk = fresh('disk')
  const size = TENSORS * ELEMENTS * 4 + (6 << 20)
  const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${size}`, 'tmpfs', disk])
  if (mounted.status !== 0) {
    console.log(`${title}: no full disk, as mounting a tmpfs takes root`)
    return 0
  }
  let bad = 0
  try {
    // Room for the model when it begins; what another program writes meanwhile takes it away.
    const child = spawn(process.execPath, merge(output, disk), { cwd: root, stdio: ['ignore', 'ignore', 'pipe'] })
    let told = ''
    child.stderr.on('data', data => {
      told += data
    })
    const ended = new Promise(resolve => child.on('close', resolve))
    while (child.exitCode === null && !readdirSync(disk).some(name => name.startsWith('.')))
      await new Promise(r => setTimeout(r, 1))
    try {
      writeFileSync(join(disk, 'other'), new Uint8Array(14 << 20))
    } catch {
      // It took what there was.
    }
    const code = await ended
    const left = readdirSync(disk).filter(name => name !== 'other')
    const isTold = /could not be written: the disk is full|has \d+ left/.test(told)
    if (code !== 3 || left.length > 0 || !isTold) bad++
    console.log(
      `${title}, the disk fills: exit code ${code}, ${left.length} files left; ${told.replaceAll(folder, '').trim().split('\n')[0]}`,
    )

    rmSync(join(disk, 'other'), { force: true })
    writeFileSync(join(disk, 'other'), new Uint8Array(20 << 20))
    const small = spawnSync(process.execPath, merge(output, disk), { cwd: root, encoding: 'utf8' })
    const after = readdirSync(disk).filter(name => name !== 'other')
    if (small.status !== 3 || after.length > 0 || !/needs \d+ bytes, and its disk has \d+ left/.test(small.stderr))
      bad++
    console.log(
      `${title}, too small a disk: exit code ${small.status}, ${after.length} files left; ${small.stderr.replaceAll(folder, '').trim().split('\n')[0]}`,
    )
  } finally {
    spawnSync('umount', [disk])
  }
  return bad
}

let bad = 0
try {
  makeModels()
  for (const [title, output] of Object.entries(OUTPUTS)) bad += await kills(title, output)
  for (const [title, output] of Object.entries(OUTPUTS)) bad += await fullDisk(title, output)
} finally {
  rmSync(folder, { recursive: true, force: true })
}
console.log(bad === 0 ? 'nothing torn, every failure told' : `${bad} problems`)
process.exitCode = bad === 0 ? 0 : 1
