// lm-evaluation-harness, once and warm, beside the onnx evaluator: the tiny Llama and a merge, on texts and on questions.
//   sh bench/peers/setup-lm-eval.sh; npm run build; node bench/evaluators/lm-eval.mjs
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { at, companions, evaluatorFile, python, readLines, recipe, scoreAll, temporary, writeLines } from './common.mjs'

const LIMIT = 1e-4
const folder = companions()
const rows = readLines(at('examples/tiny-llama/data/english.jsonl'))

// A question: which of three stretches goes on where a passage was cut? The others are of other passages.
const pieces = rows.map(({ text, split }) => ({
  context: text.slice(0, 96).trimEnd(),
  next: text.slice(96, 128),
  split,
}))
const questions = pieces.map(({ context, next, split }, i) => {
  const others = [7, 19].map(step => pieces[(i + step) % pieces.length].next)
  const choices = [...others.slice(0, i % 3), next, ...others.slice(i % 3)]
  return { id: `question-${i}`, context, choices, answer: i % 3, split }
})
for (const split of ['search', 'select', 'holdout']) {
  const texts = writeLines(
    `texts-${split}.jsonl`,
    rows.filter(row => row.split === split).map(({ text }) => ({ text })),
  )
  const asked = writeLines(
    `questions-${split}.jsonl`,
    questions.filter(row => row.split === split).map(({ context, choices, answer }) => ({ context, choices, answer })),
  )
  const task = (name, data, more) =>
    writeFileSync(
      join(temporary, `${name}_${split}.yaml`),
      JSON.stringify({
        task: `${name}_${split}`,
        dataset_path: 'json',
        dataset_kwargs: { data_files: { test: data } },
        test_split: 'test',
        ...more,
      }),
    )
  task('texts', texts, {
    output_type: 'loglikelihood_rolling',
    doc_to_text: '',
    doc_to_target: '{{text}}',
    metric_list: ['bits_per_byte', 'byte_perplexity', 'word_perplexity'].map(metric => ({ metric })),
  })
  task('questions', asked, {
    output_type: 'multiple_choice',
    doc_to_text: '{{context}}',
    doc_to_choice: 'choices',
    doc_to_target: 'answer',
    target_delimiter: '',
    metric_list: [{ metric: 'acc' }, { metric: 'acc_norm' }],
  })
}

const METRICS = [
  ['acc', 'questions', 'acc'],
  ['acc_norm', 'questions', 'acc_norm'],
  ['bits_per_byte', 'texts', 'bits_per_byte'],
  ['byte_perplexity', 'texts', 'byte_perplexity'],
  ['word_perplexity', 'texts', 'word_perplexity'],
]
const objectives = METRICS.map(([name]) =>
  name.startsWith('acc')
    ? { name, direction: 'maximize', reference: 0, ideal: 1 }
    : { name, direction: 'minimize', reference: 1e30, value: 'program' },
)
const common = {
  kind: 'command',
  id: 'harness',
  companions: folder,
  dtype: 'float32',
  timeout: 900,
  start_timeout: 900,
  env: { HF_HUB_OFFLINE: '1', TOKENIZERS_PARALLELISM: 'false' },
}
const evaluators = {
  ours: evaluatorFile('ours', {
    kind: 'onnx',
    id: 'ours',
    graph: at('examples/tiny-llama/llama.onnx'),
    constants: ['*.table'],
    batch_size: 16,
    text: { tokenizer: 'bytes', prefix_token: 0, max_length: 256 },
    tasks: [
      {
        kind: 'language_model',
        name: 'texts',
        data: at('examples/tiny-llama/data/english.jsonl'),
        split: { column: 'split' },
      },
      {
        kind: 'multiple_choice',
        name: 'questions',
        data: writeLines('questions.jsonl', questions),
        context: 'context',
        choices: 'choices',
        answer: 'answer',
        delimiter: '',
        split: { column: 'split' },
      },
    ],
    objectives: METRICS.map(([name, task, metric]) => ({ name, task, metric })),
  }),
  once: evaluatorFile('once', {
    ...common,
    command: [
      join(dirname(python), 'lm_eval'),
      'run',
      '--model',
      'hf',
      '--model_args',
      'pretrained={model},dtype=float32',
      '--device',
      'cpu',
      '--batch_size',
      '8',
      '--tasks',
      'texts_{split},questions_{split}',
      '--include_path',
      temporary,
      '--output_path',
      '{out}',
      '--log_samples',
    ],
    answer: 'lm-eval',
    objectives: objectives.map((one, i) => ({ ...one, task: `${METRICS[i][1]}_{split}`, metric: METRICS[i][2] })),
  }),
  warm: evaluatorFile('warm', {
    ...common,
    mode: 'warm',
    command: [
      python,
      at('evaluators/lm-eval/warm.py'),
      '--base',
      folder,
      '--include-path',
      temporary,
      ...METRICS.flatMap(([name, task, metric]) => ['--objective', `${name}=${task}_@split:${metric}`]),
    ],
    objectives,
  }),
}

const recipes = { english: recipe({ english: 1 }), merge: recipe({ english: 0.5, javascript: 0.3, base: 0.2 }) }
const results = {}
for (const [name, evaluator] of Object.entries(evaluators)) {
  results[name] = await scoreAll(evaluator, name === 'once' ? { english: recipes.english } : recipes)
  console.log(name, results[name].map(({ label, ms }) => `${label} ${Math.round(ms)} ms`).join(', '))
}
let worst = 0
const table = []
for (const program of ['once', 'warm']) {
  for (const { label, values } of results[program]) {
    const ours = results.ours.find(one => one.label === label).values
    METRICS.forEach(([metric], i) => {
      const difference = Math.abs(values[i] - ours[i]) / Math.max(1, Math.abs(ours[i]))
      worst = Math.max(worst, difference)
      table.push({ program, model: label, metric, harness: values[i], onnx: ours[i], difference })
    })
  }
}
console.table(table)
console.log(`largest difference ${worst} (limit ${LIMIT}, relative where a value is above 1)`)
mkdirSync(at('bench/results/evaluators'), { recursive: true })
writeFileSync(
  at('bench/results/evaluators/lm-eval.json'),
  `${JSON.stringify({ limit: LIMIT, worst, rows: table }, null, 2)}\n`,
)
rmSync(temporary, { recursive: true })
process.exit(worst <= LIMIT ? 0 : 1)
