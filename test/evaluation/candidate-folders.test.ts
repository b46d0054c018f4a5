import { spawn } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, it } from 'vitest'
import { CandidateFolders, type FolderOptions } from '../../src/evaluation/candidate-folders.ts'
import { isIdentityAlive, killMarked, OWNER_VARIABLE, processIdentity } from '../../src/evaluation/processes.ts'
import { openCheckpoint } from '../../src/formats/open-file.ts'
import { isAlive, until } from '../executors/support.ts'
import { randomModel } from './onnx-fixture.ts'

const place = mkdtempSync(join(tmpdir(), 'amalgam-folders-'))
afterAll(() => rmSync(place, { recursive: true }))
const options: FolderOptions = { storage: place, dtype: 'float32', companion_files: 'copy' }

/** The identity of a process that has ended. */
async function goneIdentity(): Promise<string> {
  const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'])
  const identity = processIdentity(child.pid)!
  expect(isIdentityAlive(identity)).toBe(true)
  child.kill('SIGKILL')
  await new Promise(resolve => child.once('close', resolve))
  expect(isIdentityAlive(identity)).toBe(false)
  return identity
}

it('writes the very weights, and removes them', () => {
  const folders = new CandidateFolders(options, undefined)
  const model = randomModel(1)
  const folder = folders.write(model)
  const checkpoint = openCheckpoint(join(folder, 'model.safetensors'))
  expect([...checkpoint.tensors.keys()].sort()).toEqual([...model.tensors.keys()].sort())
  for (const [name, { data }] of model.tensors) {
    expect(Buffer.from(checkpoint.read(name))).toEqual(Buffer.from(data.buffer, data.byteOffset, data.byteLength))
  }
  checkpoint.close()
  folders.remove(folder)
  expect(existsSync(folder)).toBe(false)
  folders.close()
  expect(readdirSync(place)).toEqual([])
})

it('removes what a killed process left, and leaves alone what is not known to be left', async () => {
  const stale = `amalgam-candidates-${await goneIdentity()}-abc`
  const alive = `amalgam-candidates-${processIdentity()}-abc`
  const foreign = 'amalgam-candidates-1-1-1-abc'
  const other = 'amalgam-notes'
  for (const name of [stale, alive, foreign, other]) {
    mkdirSync(join(place, name, 'candidate-0'), { recursive: true })
    writeFileSync(join(place, name, 'candidate-0', 'model.safetensors'), 'x')
  }
  new CandidateFolders(options, undefined).close()
  expect(readdirSync(place).sort()).toEqual([foreign, alive, other].sort())
  for (const name of [alive, foreign, other]) rmSync(join(place, name), { recursive: true })
})

it.runIf(process.platform === 'linux')('ends marked processes in whatever group they are, and no others', async () => {
  const start = (mark: string) =>
    spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], {
      detached: true,
      stdio: 'ignore',
      env: { ...process.env, [OWNER_VARIABLE]: mark },
    })
  const [mine, alsoMine, another] = ['4-5-6', '4-5-6.7', '4-5-67'].map(start)
  expect(await until(() => [mine, alsoMine, another].every(child => isAlive(child!.pid!)), 5000)).toBe(true)
  killMarked('4-5-6')
  expect(await until(() => !isAlive(mine!.pid!) && !isAlive(alsoMine!.pid!), 5000)).toBe(true)
  expect(isAlive(another!.pid!)).toBe(true)
  another!.kill('SIGKILL')
})
