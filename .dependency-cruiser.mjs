// Who may import whom. Each rule says what a violation would mean.
const rule = (name, comment, from, to) => ({ name, severity: 'error', comment, from: { path: from }, to: { path: to } })
const only = (name, comment, allowed, to) => ({
  name,
  severity: 'error',
  comment,
  from: { path: '^src/', pathNot: allowed },
  to: { path: to },
})

export default {
  forbidden: [
    {
      name: 'no-cycles',
      severity: 'error',
      comment: 'Two modules that need each other are one module or three.',
      from: {},
      to: { circular: true },
    },
    rule(
      'numerics-stand-alone',
      'Numerics must be testable with a paper and nothing else.',
      '^src/numerics/',
      '^src/(?!numerics/|errors)',
    ),
    rule(
      'formats-stand-alone',
      'A format is bytes in, values out; it knows nothing of merging or searching.',
      '^src/formats/',
      '^src/(?!formats/|numerics/|errors)',
    ),
    rule(
      'strategies-are-pure',
      'A strategy that can see weights, files or workers cannot be replayed.',
      '^src/strategies/',
      '^src/(merge|formats|evaluation|executors|runs|report|config|cli|search|resume)',
    ),
    rule(
      'strategies-no-node',
      'A strategy reads no files and no clock.',
      '^src/(strategies|archive|numerics|space)/',
      '^(node:)?(fs|child_process|worker_threads|os|perf_hooks)',
    ),
    rule(
      'space-knows-operators-only',
      'A search space asks merge methods what they have; it neither merges nor sees weights.',
      '^src/space/',
      '^src/merge/(?!operators/)',
    ),
    rule(
      'operators-stand-alone',
      'An operator is its paper: tensors in, tensor out.',
      '^src/merge/operators/',
      '^src/(?!merge/operators/|numerics/|errors)',
    ),
    rule(
      'archive-is-pure',
      'The archive orders trials; it knows nothing of how they were made.',
      '^src/archive/',
      '^src/(?!archive/|candidate|objective|numerics/|errors)',
    ),
    rule(
      'merge-follows-the-recipe',
      'Merging is a function of recipe and sources, whoever proposed the recipe.',
      '^src/merge/',
      '^src/(strategies|archive|evaluation|executors|runs|report|config|cli|search|resume)',
    ),
    rule(
      'evaluation-knows-no-search',
      'Scoring a model must not depend on who asked for it.',
      '^src/evaluation/',
      '^src/(strategies|archive|executors|runs|report|cli|search|resume)',
    ),
    rule(
      'executors-know-no-search',
      'An executor runs jobs; it neither proposes nor records.',
      '^src/executors/',
      '^src/(strategies|archive|runs|report|cli|search|resume)',
    ),
    rule(
      'runs-record-only',
      'The run store records; it neither merges, scores nor proposes.',
      '^src/runs/',
      '^src/(merge|formats|evaluation/(?!evaluator|job)|executors|report|config|cli|strategies/(?!strategy))',
    ),
    rule(
      'report-reads-only',
      'A report is a view of what was recorded.',
      '^src/report/',
      '^src/(merge|formats|executors|strategies/(?!strategy)|cli|search|resume)',
    ),
    rule('nothing-imports-cli', 'The command line is a thin rim.', '^src/(?!cli/)', '^src/cli/'),
    rule('nobody-imports-index', 'index.ts is the public surface, not a shortcut inside.', '^src/', '^src/index\\.ts$'),
    rule(
      'examples-use-the-surface',
      'An example shows what a user can do.',
      '^examples/.*\\.ts$',
      '^src/(?!index\\.ts)',
    ),
    only(
      'piscina-in-one-place',
      'Threads are machinery; interfaces speak of jobs.',
      '^src/(executors/|merge/stream/pool\\.ts)',
      'node_modules/piscina',
    ),
    only(
      'onnxruntime-in-evaluation',
      'The coordinator never loads onnxruntime: it blocks the thread that calls it and aborts the process that terminates it.',
      '^src/evaluation/',
      'node_modules/onnxruntime-node',
    ),
    only(
      'sqlite-in-one-place',
      'The driver stays replaceable behind one module.',
      '^src/runs/sqlite\\.ts$',
      'node_modules/libsql',
    ),
    only(
      'commander-in-cli',
      'Nothing below the command line sees a flag.',
      '^src/(cli/|config/flags\\.ts)',
      'node_modules/commander',
    ),
    only(
      'files-at-the-rim',
      'I/O stays in a thin named rim.',
      '^src/(runs/|formats/(open|opened|write)-file\\.ts|merge/(absolute-model-path|kernel/load|sources|write-model|write-adapter|model-folder|open-model|inspect-files|mergekit/(merge-config|export-facts))\\.ts|config/load\\.ts|evaluation/((onnx/)?(data|cache|load)|onnx/kernel\\.ts|candidate-folders|processes|command/(create|session|lm-eval)|http/exclusive|typescript-hook)|executors/|report/write\\.ts|cli/|digest-file\\.ts)',
      '^(node:)?fs',
    ),
    {
      name: 'coordinator-without-onnxruntime',
      severity: 'error',
      comment: 'Search, run store and report must run where onnxruntime cannot.',
      from: { path: '^src/(search|resume|runs/|report/|archive/|strategies/)' },
      to: { path: 'node_modules/onnxruntime-node', reachable: true },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    exclude: { path: '^(dist|src/.*/assembly)' },
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'types', 'node', 'default'] },
  },
}
