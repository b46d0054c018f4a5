import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { environmentOf, PASSED_VARIABLES } from '../../../src/evaluation/command/child.ts'
import type { OpenContext, Scores } from '../../../src/evaluation/evaluator.ts'
import { exampleOrder } from '../../../src/evaluation/example-order.ts'
import { temporaryFolder } from '../../helpers/temporary-folders.ts'
import { rejectionOf } from '../../helpers/thrown.ts'
import { make, modelWith, ONCE, PROGRAM, QUALITY, SIZE, writeExamples } from './support.ts'

const folder = temporaryFolder('command')

const node = process.execPath
const requestsIn = (log: string): { pid: string; request: Record<string, unknown> }[] =>
  readFileSync(log, 'utf8')
    .trim()
    .split('\n')
    .map(line => ({ pid: line.split(' ')[0]!, request: JSON.parse(line.slice(line.indexOf(' ') + 1)) }))

describe('examples', () => {
  it('are asked for by id, in a stratified order that is the same for every part', async () => {
    const log = join(folder, 'ids.log')
    const examples = writeExamples(folder)
    const evaluator = await make(folder, { examples, env: { LOG_FILE: log }, seed: 3 })
    const session = await evaluator.open()
    expect(session.exampleCount('search')).toEqual([6])
    const all = await session.score(modelWith(5), 'search')
    const part = await session.score(modelWith(5), 'search', [{ begin: 2, end: 5 }])
    const none = await session.score(modelWith(5), 'search', [{ begin: 0, end: 0 }])
    await session.close()
    const strata = ['even', 'odd', 'even', 'odd', 'even', 'odd']
    const order = Array.from(exampleOrder(strata, 'examples/search'), position => `q${position}`)
    const [first, second] = requestsIn(log)
    expect(first!.request).toEqual({
      id: 1,
      model: expect.stringContaining('candidate-0'),
      split: 'search',
      seed: 3,
      examples: { quality: order },
    })
    expect(second!.request.examples).toEqual({ quality: order.slice(2, 5) })
    expect(part.exampleScores[0]).toEqual(all.exampleScores[0]!.slice(2, 5))
    expect(none.exampleScores[0]).toHaveLength(0)
    expect(none.values[0]).toBeNaN()
    expect(evaluator.objectives[0]!.perExample).toEqual({ low: 0, high: 1 })
  })

  it('of a program are asked for by number, as many as it said when it was ready', async () => {
    const log = join(folder, 'numbers.log')
    const session = await (await make(folder, { env: { LOG_FILE: log } })).open()
    expect(session.exampleCount('holdout')).toEqual([5])
    const scores = await session.score(modelWith(5), 'holdout', [{ begin: 1, end: 4 }])
    expect(scores.exampleScores[0]).toHaveLength(3)
    await session.close()
    expect(requestsIn(log)[0]!.request.examples).toEqual({ quality: { begin: 1, end: 4 } })
  })

  it('are drawn into splits by a rule where they name none', async () => {
    const examples = join(folder, 'drawn.jsonl')
    writeFileSync(
      examples,
      Array.from({ length: 20 }, (_, i) => `${JSON.stringify({ id: i, stratum: i % 2 })}\n`).join(''),
    )
    const split_rule = { seed: 1, search: 0.5, select: 0.2, holdout: 0.3 }
    const session = await (await make(folder, { examples, split_rule })).open()
    expect(['search', 'select', 'holdout'].map(split => session.exampleCount(split as 'search'))).toEqual([
      [10],
      [4],
      [6],
    ])
    await session.close()
  })

  it.each([
    ['{"id": 1, "split": "search"}\n{"id": 1, "split": "select"}\n', 'line 2: the id "1" is also that of'],
    ['{"id": 1}\n', 'line 1 has no "split".'],
    ['[1]\n', 'line 1: a JSON object is required, found [1].'],
    ['{"id": 1, "split": "search"}\n', 'has no example for objective "quality" in the split "select".'],
    ['{"id": 1, "split": "search", "objective": "qualty"}\n', 'there is no objective "qualty"; there are quality.'],
    ['', 'has no examples'],
  ])('in a file such as %j are refused', async (text, message) => {
    const examples = join(folder, 'bad.jsonl')
    writeFileSync(examples, text)
    expect(await rejectionOf(make(folder, { examples }))).toContain(message)
  })
})

describe('a warm program', () => {
  it('is asked again when an answer to an earlier candidate comes late', async () => {
    const log = join(folder, 'late.log')
    const session = await (await make(folder, { env: { LOG_FILE: log } })).open()
    const expected = await session.score(modelWith(5), 'search')
    await session.score(modelWith(1005), 'search')
    expect(await session.score(modelWith(5), 'search')).toMatchObject({ values: expected.values })
    await session.close()
    expect(new Set(requestsIn(log).map(({ pid }) => pid)).size).toBe(2)
  })

  it.each([
    ['dies', 'EvaluatorError: Evaluator "program": The program ended with exit code 4.'],
    [
      'rubbish',
      'EvaluatorError: Evaluator "program": Expected {"ready": true, ...} as the program\'s first line, got "loading ...".',
    ],
    [
      'rubbish at once',
      'EvaluatorError: Evaluator "program": Expected {"ready": true, ...} as the program\'s first line, got "loading ...".',
    ],
    [
      'ready twice',
      'EvaluatorError: Evaluator "program": Expected one line from the program, got another one: "{\\"ready\\": true}".',
    ],
    ['silent', 'EvaluatorError: Evaluator "program": The program was not ready within 0.4 s.'],
  ])('that is %s at its start is an error', async (fault, message) => {
    const evaluator = await make(folder, { env: { START_FAULT: fault }, start_timeout: 0.4 })
    // Under load the slow start may be noticed first.
    expect(await rejectionOf(evaluator.open())).toBeOneOf([
      message,
      'EvaluatorError: Evaluator "program": The program was not ready within 0.4 s.',
    ])
  })

  it('that lacks an objective is an error that names the nearest', async () => {
    const evaluator = await make(folder, { objectives: [{ ...QUALITY, name: 'qualty' }] })
    expect(await rejectionOf(evaluator.open())).toBe(
      'EvaluatorError: Evaluator "program" wants the objective "qualty", and its program has "quality, size".',
    )
  })

  it('that says nothing of examples has values only', async () => {
    const evaluator = await make(folder, { objectives: [SIZE], env: { COUNTS: 'none' } })
    const session = await evaluator.open()
    expect(session.exampleCount('search')).toEqual([0])
    expect((await session.score(modelWith(5), 'search')).values).toEqual([5])
    await session.close()
  })
})

describe('a program that runs once', () => {
  const scoresOf = async (document: Readonly<Record<string, unknown>>): Promise<Scores> => {
    const session = await (await make(folder, document)).open()
    try {
      return await session.score(modelWith(5), 'search')
    } finally {
      await session.close()
    }
  }

  it('may answer in a file', async () => {
    const command = [node, PROGRAM, 'once', '{model}', '{request}', '{out}']
    const objectives = [SIZE]
    expect((await scoresOf({ ...ONCE, command, result: 'file', objectives })).values).toEqual([5])
    expect(await rejectionOf(scoresOf({ ...ONCE, result: 'file', objectives }))).toContain(
      'the answer is to be found in {out}, but the command does not mention {out}.',
    )
  })

  it('keeps example scores that nobody announced, and takes their mean', async () => {
    const script = join(folder, 'unannounced.mjs')
    writeFileSync(script, `console.log(JSON.stringify({ scores: { quality: [0, 1, 1, 1] } }))`)
    const { values, exampleScores } = await scoresOf({ mode: 'once', command: [node, script, '{model}'] })
    expect(values).toEqual([0.75])
    expect(exampleScores[0]).toEqual(Float32Array.of(0, 1, 1, 1))
  })

  it('gets the placeholders of its split, and only the environment that it was promised', async () => {
    const script = join(folder, 'environment.mjs')
    writeFileSync(
      script,
      `import { writeFileSync } from 'node:fs'
       writeFileSync(process.argv[2], JSON.stringify([process.argv.slice(3), Object.keys(process.env), process.env.OWN]))
       console.log('{"values": {"size": 1}}')`,
    )
    process.env.AMALGAM_TEST_SECRET = 'x'
    process.env.AMALGAM_TEST_PASSED = 'y'
    const seen = join(folder, 'seen.json')
    await scoresOf({
      mode: 'once',
      model_files: false,
      command: [node, script, seen, '{split}-{tasks}', '{seed}', '$(touch x)', '{"a": {b}}'],
      variables: { tasks: { search: 'a', select: 'b', holdout: 'c' } },
      env: { OWN: 'z' },
      pass_env: ['AMALGAM_TEST_PASSED'],
      objectives: [SIZE],
    })
    const [args, names, own] = JSON.parse(readFileSync(seen, 'utf8'))
    expect(args).toEqual(['search-a', '0', '$(touch x)', '{"a": {b}}'])
    expect(own).toBe('z')
    const promised = [...PASSED_VARIABLES, 'OWN', 'AMALGAM_TEST_PASSED', 'AMALGAM_OWNER', 'AMALGAM_WORKER']
    expect(names.filter((name: string) => !promised.includes(name))).toEqual([])
    expect(environmentOf({}, [], { PATH: '/bin', TOKEN: 'secret' })).toEqual({ PATH: '/bin' })
  })

  it('goes through a shell only when told to', async () => {
    const objectives = [SIZE]
    // Nothing but what is built into a shell: a machine may have no other programs on the PATH.
    const line = `echo '{"values": {"size": 2}}' | { read -r answer; echo "$answer"; }`
    expect(
      (await scoresOf({ mode: 'once', shell: true, command: line, model_files: false, objectives })).values,
    ).toEqual([2])
    await expect(make(folder, { mode: 'once', command: line, model_files: false, objectives })).rejects.toThrow(
      'Without "shell: true" a command is a list',
    )
  })
})

describe('a written candidate', () => {
  const context = (path: string): OpenContext => ({
    workerIndex: 2,
    workers: 3,
    sources: [{ id: 'base', path }],
    dtypes: new Map([['code', 'BF16']]),
    others: [{ name: 'steps', dtype: 'I64', shape: [1], data: new Uint8Array(8).fill(1) }],
  })

  it('has the type of the sources, the tensors that are not merged, and config and tokenizer', async () => {
    const base = join(folder, 'base')
    mkdirSync(base, { recursive: true })
    writeFileSync(join(base, 'config.json'), '{"model_type": "llama", "torch_dtype": "float32"}')
    writeFileSync(join(base, 'tokenizer.json'), '{}')
    writeFileSync(join(base, 'model.safetensors'), '')
    const script = join(folder, 'look.mjs')
    writeFileSync(
      script,
      `import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
       const [, , seen, model, worker] = process.argv
       const bytes = readFileSync(model + '/model.safetensors')
       const header = JSON.parse(bytes.subarray(8, 8 + Number(bytes.readBigUInt64LE(0))))
       const config = JSON.parse(readFileSync(model + '/config.json'))
       writeFileSync(seen, JSON.stringify({ header, config, files: readdirSync(model).sort(), worker }))
       console.log('{"values": {"size": 1}}')`,
    )
    const seen = join(folder, 'candidate.json')
    const look = async (document: Readonly<Record<string, unknown>>) => {
      const command = [node, script, seen, '{model}', '{worker}']
      const evaluator = await make(folder, { mode: 'once', command, objectives: [SIZE], ...document })
      const session = await evaluator.open(context(join(base, 'model.safetensors')))
      await session.score(modelWith(5), 'search')
      await session.close()
      return JSON.parse(readFileSync(seen, 'utf8'))
    }
    const found = await look({})
    expect(found.header.code).toMatchObject({ dtype: 'BF16', shape: [3] })
    expect(found.header.steps).toMatchObject({ dtype: 'I64', shape: [1] })
    expect(found.config).toEqual({ model_type: 'llama', torch_dtype: 'bfloat16' })
    expect(found.files).toEqual(['config.json', 'model.safetensors', 'tokenizer.json'])
    expect(found.worker).toBe('2')
    const asked = await look({ dtype: 'float32', companion_files: 'link' })
    expect(asked.header.code.dtype).toBe('F32')
    expect(asked.config.torch_dtype).toBe('float32')
  })

  it('that does not fit into float16 fails', async () => {
    const session = await (await make(folder, { dtype: 'float16' })).open()
    const huge = modelWith(1e6)
    await expect(session.score(huge, 'search')).rejects.toThrow('magnitude 1000000, which is an infinity as float16')
    await session.close()
  })
})

describe('mistakes in a config', () => {
  it.each([
    [{ command: ['no-such-program-here', 'warm'] }, 'the program "no-such-program-here" is in no folder of PATH.'],
    [{ command: ['./missing', 'warm'] }, 'is no executable file'],
    [{ ...ONCE, command: [node, PROGRAM, '{modle}'] }, '"command" has the placeholder {modle}, which does not exist'],
    [{ ...ONCE, command: [node, PROGRAM] }, 'mentions neither {model} nor {request}'],
    [{ command: [node, PROGRAM, '{model}'] }, '{model} is not known when a warm program is started'],
    [{ cwd: 'nowhere' }, 'which is no folder.'],
    [{ inputs: ['missing.py'] }, 'missing.py" does not exist.'],
    [{ objectives: [QUALITY, QUALITY] }, 'two objectives named "quality"'],
    [{ companions: 'nowhere' }, '"companions" names it.'],
  ])('%j are explained', async (document, message) => {
    expect(await rejectionOf(make(folder, document))).toContain(message)
  })

  it('change the digest when they are mended', async () => {
    const script = join(folder, 'script.mjs')
    writeFileSync(script, '1')
    const document = { ...ONCE, command: [node, script, '{model}'], objectives: [SIZE] }
    const first = await make(folder, document)
    writeFileSync(script, '2')
    const second = await make(folder, document)
    expect(second.digest).not.toBe(first.digest)
    expect(Object.keys(first.inputs)).toEqual([script])
    expect((await make(folder, { ...document, timeout: 7 })).digest).toBe(second.digest)
  })
})
