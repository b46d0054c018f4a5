import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { parse } from 'yaml'
import { onnxOptionsSchema } from '../../src/evaluation/onnx/options.ts'
import { createEvaluator, evaluatorReference } from '../../src/evaluation/registry.ts'
import { tensor } from './onnx-fixture.ts'

let folder: string
let blocks: readonly { readonly language: string; readonly text: string }[]
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'amalgam-docs-'))
  const page = await readFile(new URL('../../docs/evaluators.md', import.meta.url), 'utf8')
  blocks = [...page.matchAll(/```(\w+)\n(.*?)```/gs)].map(([, language, text]) => ({
    language: language!,
    text: text!,
  }))
})
afterAll(() => rm(folder, { recursive: true }))

it('the documented onnx options are accepted', () => {
  const documents = blocks.filter(({ language }) => language === 'yaml').map(({ text }) => parse(text))
  const onnx = documents.filter(({ kind }) => kind === 'onnx')
  expect(onnx.length).toBeGreaterThanOrEqual(2)
  for (const { kind: _, id: __, ...options } of onnx)
    expect(onnxOptionsSchema.parse(options).objectives?.length).toBeGreaterThan(0)
})

it('the documented module works', async () => {
  await writeFile(join(folder, 'own.mjs'), blocks.find(({ language }) => language === 'js')!.text)
  const evaluator = await createEvaluator(
    evaluatorReference(parse(blocks.find(({ text }) => text.includes('kind: module'))!.text), folder, 'own.yaml'),
  )
  const session = await evaluator.open()
  const scores = await session.score({ tensors: new Map([['w', tensor([2], Float32Array.of(3, 4))]]) }, 'search')
  expect(scores.values).toEqual([25])
  await session.close()
})

it('the documented programs and servers are accepted', async () => {
  const readmes = ['lm-eval', 'transformers'].map(name =>
    readFile(new URL(`../../evaluators/${name}/README.md`, import.meta.url), 'utf8'),
  )
  const pages = [
    ...(await Promise.all(readmes)),
    blocks.map(({ language, text }) => `\`\`\`${language}\n${text}\`\`\``).join('\n'),
  ]
  const documents = pages.flatMap(page => [...page.matchAll(/```yaml\n(.*?)```/gs)].map(([, text]) => parse(text!)))
  const found = documents.filter(({ kind }) => kind === 'command' || kind === 'http')
  expect(found.map(({ kind }) => kind).sort()).toEqual(['command', 'command', 'command', 'command', 'http'])
  for (const document of found) expect(() => evaluatorReference(document, folder, 'documented.yaml')).not.toThrow()
})
