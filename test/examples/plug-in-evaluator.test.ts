import { execFileSync } from 'node:child_process'
import { copyFileSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'
import { loadEvaluatorFile } from '../../src/config/load.ts'
import { createEvaluator } from '../../src/evaluation/registry.ts'
import { tensor } from '../evaluation/onnx-fixture.ts'

const at = (path: string): string => fileURLToPath(new URL(`../../${path}`, import.meta.url))
const folder = 'examples/plug-in-evaluator'

it('the plug-in counts weights far from the rest', async () => {
  const evaluator = await createEvaluator(loadEvaluatorFile(at(`${folder}/evaluator.yaml`)))
  const session = await evaluator.open()
  const data = new Float32Array(100).fill(1)
  data[7] = 20
  const { values } = await session.score({ tensors: new Map([['w', tensor([100], data)]]) }, 'search')
  expect(values).toEqual([0.01, Math.sqrt(499 / 100)])
  data[8] = Number.NaN
  expect((await session.score({ tensors: new Map([['w', tensor([100], data)]]) }, 'search')).values[1]).toBeNaN()
})

it('the command line runs it from its TypeScript file', () => {
  const args = [
    'bin/amalgam.js',
    'evaluate',
    'examples/digits/low.safetensors',
    '--json',
    '--evaluator',
    `${folder}/evaluator.yaml`,
  ]
  const { values } = JSON.parse(execFileSync(process.execPath, args, { cwd: at('.'), encoding: 'utf8' }))
  expect(values.rms).toBeGreaterThan(0)
  expect(values.outliers).toBeLessThan(0.1)
})

it('where Node cannot read TypeScript and no compiler is near, the message says what to do', () => {
  const { typescript } = process.features as { readonly typescript?: string | false }
  if (typescript !== undefined && typescript !== false) return
  const far = mkdtempSync(join(tmpdir(), 'amalgam-plug-in-'))
  for (const name of ['evaluator.ts', 'evaluator.yaml']) copyFileSync(at(`${folder}/${name}`), join(far, name))
  const args = [
    'bin/amalgam.js',
    'evaluate',
    'examples/digits/low.safetensors',
    '--evaluator',
    join(far, 'evaluator.yaml'),
  ]
  let message = ''
  try {
    execFileSync(process.execPath, args, { cwd: at('.'), encoding: 'utf8', stdio: 'pipe' })
  } catch (error) {
    message = (error as { stderr: string }).stderr
  }
  rmSync(far, { recursive: true })
  expect(message).toContain('is TypeScript, which Node')
  expect(message).toContain('Use Node 22.18 or newer, or run "npm install typescript" in its folder.')
})
