import { z } from 'zod'
import { nearest, show } from '../errors.ts'
import { SEARCHABLE_METHODS, searchableMethod, UNAVAILABLE_METHODS } from './searchable-methods.ts'

/**
 * The `genome:` section without its models: what is searched, in the words of mergekit-evolve and some more. A section that
 * mergekit-evolve accepts spans the same family of merges here, with four differences: a weight that may not be negative ends at 0
 * (there its sign is dropped, so every merge appears in many mirror images), the last layer group may be shorter, and the base among
 * the models of a task-vector method gets no gene (it has no effect), and with `smooth` the tensors after the layers go with the last
 * control point (there with the first).
 */

const AVAILABLE = SEARCHABLE_METHODS.map(method => method.name)

const methodName = z
  .string()
  .superRefine((name, context) => {
    if (searchableMethod(name)) return
    const guess = nearest(name, AVAILABLE)
    context.addIssue({
      code: 'custom',
      message:
        guess === undefined && UNAVAILABLE_METHODS.includes(name)
          ? `the merge method "${name}" does not exist in this version; available are ${AVAILABLE.join(' and ')}`
          : `unknown merge method ${show(name)}; ${guess === undefined ? `available are ${AVAILABLE.join(' and ')}` : `did you mean "${guess}"?`}`,
    })
  })
  .meta({ enum: AVAILABLE })

const rangeShape = {
  min: z.number().describe('Lowest value, inclusive.'),
  max: z.number().describe('Highest value, inclusive; above min.'),
  initial: z.number().optional().describe('Where the search starts. Default for weights: 1 / number of models.'),
  scale: z
    .enum(['linear', 'log'])
    .optional()
    .describe('log: searched on a logarithmic axis; needs min > 0. Default: linear.'),
}

const rangeProblem = (range: z.infer<typeof rangeSchema>): string | undefined => {
  if (range.min >= range.max)
    return `min must be below max, got ${range.min} and ${range.max}; to hold a value use "frozen" in "groups"`
  if (range.initial !== undefined && (range.initial < range.min || range.initial > range.max)) {
    return `initial must lie in [${range.min}, ${range.max}], got ${range.initial}`
  }
  if (range.scale === 'log' && range.min <= 0) return `a logarithmic scale needs min > 0, got ${range.min}`
  return undefined
}

const rangeSchema = z.strictObject(rangeShape)
const range = rangeSchema.superRefine((value, context) => {
  const message = rangeProblem(value)
  if (message !== undefined) context.addIssue({ code: 'custom', message })
})
export type RangeConfig = z.infer<typeof rangeSchema>

const layersMatch = z
  .union([
    z.int().min(0),
    z
      .tuple([z.int().min(0), z.int().min(1)])
      .refine(([first, end]) => first < end, { message: 'expected [first, end) with first below end' }),
    z.enum(['pre', 'post']),
  ])
  .describe('A layer number, [first, end) with end excluded, or the tensors before (pre) or after (post) the layers.')

const groupRule = z
  .strictObject({
    match: z
      .strictObject({
        layers: layersMatch.optional(),
        filter: z.string().min(1).optional().describe('One of "filters", or "*" for the tensors no filter takes.'),
        source: z.string().min(1).optional().describe('Id of one of the models.'),
      })
      .refine(match => Object.values(match).some(value => value !== undefined), {
        message: 'match names layers, a filter or a source; for everything use genome.weight',
      })
      .describe('Which weights the entry is about: those that fit all that is said.'),
    weight: range.optional().describe('Range of the genes that match.'),
    frozen: z.number().optional().describe('Not searched: the weight is held at this value.'),
    share: z
      .string()
      .regex(
        /^[A-Za-z0-9_][A-Za-z0-9._-]{0,63}$/,
        'a shared gene\'s name has letters, digits, ".", "_" and "-" only, at most 64',
      )
      .optional()
      .describe('Everything that matches, here and in other entries of this name, has one gene in common.'),
  })
  .superRefine((rule, context) => {
    if (rule.weight === undefined && rule.frozen === undefined && rule.share === undefined) {
      context.addIssue({ code: 'custom', message: 'an entry says what to do: give weight, frozen or share' })
    }
    if (rule.frozen !== undefined && (rule.weight !== undefined || rule.share !== undefined)) {
      context.addIssue({ code: 'custom', message: 'a frozen weight has no gene: drop weight and share, or frozen' })
    }
  })
export type GroupRule = z.infer<typeof groupRule>

export const genomeSchema = z.strictObject({
  merge_method: z
    .union([methodName, z.array(methodName).min(2)])
    .describe('One method, or several: then the method is a gene.'),
  layer_granularity: z
    .int()
    .min(1)
    .optional()
    .describe(
      'Consecutive layers that share their weights. Default: all layers are one group. The last group may be shorter.',
    ),
  filters: z
    .array(z.string().min(1))
    .max(64)
    .default([])
    .describe(
      'Parts of tensor names, case-sensitive. The tensors of each filter (the first that fits) and the rest get weights of their own.',
    ),
  normalize: z
    .boolean()
    .optional()
    .describe('Divide by the sum of the weights. Default: true for linear, false for task_arithmetic.'),
  allow_negative_weights: z.boolean().default(false).describe('Extends the default range to negative weights.'),
  smooth: z
    .boolean()
    .default(false)
    .describe('Interpolate over depth: each group of layer_granularity layers becomes a control point instead.'),
  gradient: z
    .strictObject({
      points: z
        .int()
        .min(2)
        .max(256)
        .describe('Control points, evenly spaced over depth, with straight lines between.'),
    })
    .optional()
    .describe('Weights that change with depth, from a few genes.'),
  pieces: z
    .strictObject({
      max: z.int().min(2).max(1024).default(16).describe('Pieces at most.'),
      inside_tensors: z
        .boolean()
        .default(true)
        .describe('Whether a piece may begin inside a tensor, or only with one.'),
    })
    .optional()
    .describe(
      'Candidates are made of stretches of the models, each with weights of its own; where they begin is searched. Natural niches ' +
        '(m2n2) is made for it. For linear; it takes the place of all that says which weights layers have.',
    ),
  embeddings: z
    .enum(['first', 'own', 'frozen'])
    .default('first')
    .describe(
      'Tensors before and after the layers. first: those before go with the first layer group, those after with the last. ' +
        'own: genes of their own. frozen: held at the initial weight.',
    ),
  weight: range
    .optional()
    .describe(
      'Range of all weights. Default: 0..1 for linear, 0..1.5 for task_arithmetic; see allow_negative_weights.',
    ),
  lambda: z
    .union([z.number(), range])
    .optional()
    .describe('task_arithmetic: factor of the sum of task vectors, a number or a range to search. Default: 1.'),
  groups: z
    .array(groupRule)
    .max(1000)
    .default([])
    .describe('Exceptions. The first entry that matches a weight decides.'),
  tokenizer_source: z
    .string()
    .optional()
    .describe('"base" or one of the models. Recorded only: vocabularies are not merged.'),
})
export type GenomeConfig = z.infer<typeof genomeSchema>
export type PiecesConfig = NonNullable<GenomeConfig['pieces']>

export function methodNames(config: GenomeConfig): readonly string[] {
  return typeof config.merge_method === 'string' ? [config.merge_method] : config.merge_method
}

/** A problem of the genome section, `path` counted from `genome`. */
export interface GenomeProblem {
  readonly path: readonly (string | number)[]
  readonly message: string
}

/** Problems that are visible without tensor names: how the words of the section fit each other and the models. */
export function genomeProblems(
  config: GenomeConfig,
  sourceIds: readonly string[],
  baseId: string | undefined,
): GenomeProblem[] {
  const problems: GenomeProblem[] = []
  const methods = methodNames(config).flatMap(name => searchableMethod(name) ?? [])
  const report = (path: readonly (string | number)[], message: string) => problems.push({ path, message })

  repeated(methodNames(config)).forEach(i => {
    report(['merge_method', i], `${show(methodNames(config)[i])} is listed twice`)
  })
  repeated(config.filters).forEach(i => {
    report(['filters', i], `${show(config.filters[i])} is listed twice`)
  })
  const needy = methods.find(method => method.needsBase)
  if (needy && baseId === undefined) report(['merge_method'], `${needy.name} needs "base_model", the common ancestor`)
  if (sourceIds.length === 0) report(['models'], 'there is no model to merge besides the base')
  const averaging = methods.find(method => !method.needsBase)
  if (averaging && sourceIds.length === 1) {
    report(['models'], `${averaging.name} needs at least two models to merge, got ${show(sourceIds[0])} only`)
  }
  if (config.gradient && config.smooth) {
    report(['gradient'], 'say either "smooth: true" or "gradient", not both')
  }
  if (config.lambda !== undefined && !methods.some(method => method.hasLambda)) {
    report(['lambda'], `${methodNames(config).join(' and ')} has no lambda; task_arithmetic has`)
  }
  if (config.pieces !== undefined) problems.push(...pieceProblems(config))
  config.groups.forEach((rule, i) => {
    const { source, filter, layers } = rule.match
    if (source !== undefined && !sourceIds.includes(source)) {
      report(['groups', i, 'match', 'source'], `${unknownName('model', source, sourceIds)}`)
    }
    if (filter !== undefined && filter !== '*' && !config.filters.includes(filter)) {
      report(['groups', i, 'match', 'filter'], unknownName('filter', filter, [...config.filters, '*']))
    }
    if (
      (config.gradient || config.smooth) &&
      rule.frozen === undefined &&
      layers !== undefined &&
      typeof layers !== 'string'
    ) {
      report(
        ['groups', i, 'match', 'layers'],
        'with "gradient" or "smooth" a gene spreads over all layers, so only "frozen" can be limited to some of them',
      )
    }
  })
  return problems
}

/** With pieces, nothing else may say which weights there are. */
function pieceProblems(config: GenomeConfig): GenomeProblem[] {
  const problems: GenomeProblem[] = []
  if (config.merge_method !== 'linear') {
    problems.push({ path: ['merge_method'], message: '"pieces" are combined by linear, and by nothing else' })
  }
  const other = {
    layer_granularity: config.layer_granularity !== undefined,
    filters: config.filters.length > 0,
    normalize: config.normalize === true,
    smooth: config.smooth,
    gradient: config.gradient !== undefined,
    embeddings: config.embeddings !== 'first',
    groups: config.groups.length > 0,
  }
  for (const [key, given] of Object.entries(other)) {
    if (given) problems.push({ path: [key], message: '"pieces" have weights of their own: leave this out' })
  }
  if (config.weight?.scale === 'log') {
    problems.push({ path: ['weight', 'scale'], message: 'the weights of "pieces" are searched on a linear axis' })
  }
  return problems
}

function repeated(words: readonly string[]): number[] {
  return words.flatMap((word, i) => (words.indexOf(word) < i ? [i] : []))
}

/** `unknown model "lwo"; did you mean "low"?`, or with the list of what there is. */
export function unknownName(what: string, name: string, known: readonly string[]): string {
  const guess = nearest(name, known)
  if (guess !== undefined) return `unknown ${what} ${show(name)}; did you mean ${show(guess)}?`
  const list =
    known.length === 0
      ? 'there is none'
      : `there are ${known
          .slice(0, 30)
          .map(k => show(k))
          .join(', ')}${known.length > 30 ? ', ...' : ''}`
  return `unknown ${what} ${show(name)}; ${list}`
}
