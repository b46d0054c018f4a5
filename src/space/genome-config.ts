import { z } from 'zod'
import { nearest, show } from '../errors.ts'
import {
  COEFFICIENTS,
  type CoefficientName,
  coefficientOf,
  SEARCHABLE_METHODS,
  SEARCHED_BY_DEFAULT,
  searchableMethod,
} from './methods.ts'
import { coefficientSetting, parameterSetting, per, range } from './search-range.ts'

/**
 * The `genome:` section without its models: what is searched, in the words of mergekit-evolve and some more. A section that
 * mergekit-evolve accepts spans the same family of merges here, with these differences: a weight that may not be negative ends at 0
 * (there its sign is dropped, so every merge appears in many mirror images); a density begins at the least that the method's range
 * has, not at 0, where trimming leaves nothing; the last layer group may be shorter; the base among the models of a method that has
 * one gets no gene (it has no effect); with `smooth` the tensors after the layers go with the last control point (there with the
 * first); and slerp is between `base_model` and one model, by its `t` (there between the two of all models that weigh most).
 */

const AVAILABLE = SEARCHABLE_METHODS.map(method => method.name)

const methodName = z
  .string()
  .superRefine((name, context) => {
    if (searchableMethod(name)) return
    const guess = nearest(name, AVAILABLE)
    const hint = guess === undefined ? `available are ${AVAILABLE.join(', ')}` : `did you mean "${guess}"?`
    context.addIssue({ code: 'custom', message: `unknown merge method ${show(name)}; ${hint}` })
  })
  .meta({ enum: AVAILABLE })

const layersMatch = z
  .union([
    z.int().min(0),
    z
      .tuple([z.int().min(0), z.int().min(1)])
      .refine(([first, end]) => first < end, { message: 'expected [first, end) with first below end' }),
    z.enum(['pre', 'post']),
  ])
  .describe('A layer number, [first, end) with end excluded, or the tensors before (pre) or after (post) the layers.')

/** A key per coefficient, so that editors know them. */
function coefficientShape(describe: (name: CoefficientName) => string) {
  const key = (name: CoefficientName) => coefficientSetting.optional().describe(describe(name))
  return {
    weight: key('weight'),
    density: key('density'),
    gamma: key('gamma'),
    epsilon: key('epsilon'),
    mask_lambda: key('mask_lambda'),
    order: key('order'),
    scale: key('scale'),
  }
}

function describeCoefficient(name: CoefficientName): string {
  const methods = SEARCHABLE_METHODS.filter(method => coefficientOf(method, name))
  const description =
    name === 'weight'
      ? 'Share in an average, or scale of its task vector.'
      : coefficientOf(methods[0]!, name)!.description
  const which = methods.length > 4 ? '' : ` (${methods.map(method => method.name).join(', ')})`
  const ranges = new Set(methods.map(method => coefficientOf(method, name)!.searchRange.join('..')))
  const otherwise = SEARCHED_BY_DEFAULT.includes(name)
    ? `Default: ${[...ranges].join(' or ')}, by method${name === 'weight' ? '; see allow_negative_weights' : '; starts at 1'}.`
    : "Default: the method's, not searched."
  return `Per model${which}: ${description.charAt(0).toLowerCase()}${description.slice(1)} A number holds it, a range searches it. ${otherwise}`
}

const groupRule = z
  .strictObject({
    match: z
      .strictObject({
        layers: layersMatch.optional(),
        filter: z.string().min(1).optional().describe('One of "filters", or "*" for the tensors no filter takes.'),
        source: z.string().min(1).optional().describe('Id of one of the models.'),
      })
      .refine(match => Object.values(match).some(value => value !== undefined), {
        message: 'match names layers, a filter or a source; for everything use the keys of genome itself',
      })
      .describe('Which coefficients the entry is about: those that fit all that is said.'),
    ...coefficientShape(() => 'A number holds what matches at it; a range is that of its genes.'),
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
    const said = COEFFICIENTS.some(name => rule[name] !== undefined)
    if (!said && rule.frozen === undefined && rule.share === undefined) {
      context.addIssue({ code: 'custom', message: 'an entry says what to do: give weight, frozen or share' })
    }
    if (rule.frozen !== undefined && (rule.weight !== undefined || rule.share !== undefined)) {
      context.addIssue({ code: 'custom', message: 'a frozen weight has no gene: drop weight and share, or frozen' })
    }
  })
export type GroupRule = z.infer<typeof groupRule>

export const genomeSchema = z.strictObject({
  merge_method: z
    .union([
      methodName,
      z.array(methodName).min(2),
      z.strictObject({ choices: z.array(methodName).min(2).describe('The methods to choose from.'), per }),
    ])
    .describe('One method, or several: then the method is a gene; of every layer group with {choices, per: group}.'),
  layer_granularity: z
    .int()
    .min(1)
    .optional()
    .describe(
      'Consecutive layers that share their genes. Default: all layers are one group. The last group may be shorter.',
    ),
  filters: z
    .array(z.string().min(1))
    .max(64)
    .default([])
    .describe(
      'Parts of tensor names, case-sensitive. The tensors of each filter (the first that fits) and the rest get genes of their own.',
    ),
  normalize: z
    .boolean()
    .optional()
    .describe('Divide by the sum of the weights. Default: as in mergekit, for example true for linear and ties.'),
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
  ...coefficientShape(describeCoefficient),
  lambda: z
    .union([z.number(), range])
    .optional()
    .describe('Factor of the sum of task vectors, for the whole model: a number or a range to search. Default: 1.'),
  parameters: z
    .record(z.string(), parameterSetting)
    .default({})
    .describe(
      'Other parameters of the method, by name: a value holds one, {min, max} or {choices} search it, per layer group or, with ' +
        '"per: model", for the whole model. Default: as the method says; what has no default (t of slerp) is searched.',
    ),
  subset: z
    .boolean()
    .default(false)
    .describe(
      'Whether a gene per model switches it off: its weights are 0 then. If all are off, weights are the initial ones.',
    ),
  groups: z
    .array(groupRule)
    .max(1000)
    .default([])
    .describe('Exceptions. The first entry that matches a coefficient and speaks of it decides.'),
  tokenizer_source: z
    .string()
    .optional()
    .describe('"base" or one of the models. Recorded only: vocabularies are not merged.'),
})
export type GenomeConfig = z.infer<typeof genomeSchema>
export type PiecesConfig = NonNullable<GenomeConfig['pieces']>

export function methodNames({ merge_method: method }: GenomeConfig): readonly string[] {
  return typeof method === 'string' ? [method] : 'choices' in method ? method.choices : method
}

/** Whether every layer group has a method of its own. */
export function hasMethodPerGroup({ merge_method: method }: GenomeConfig): boolean {
  return typeof method === 'object' && 'per' in method && method.per === 'group'
}
