import { nearest, show } from '../errors.ts'
import type { MergeOperator, NumberParameter, OperatorParameter } from '../merge/operators/operator.ts'
import { type GenomeConfig, hasMethodPerGroup, methodNames } from './genome-config.ts'
import { COEFFICIENTS, coefficientOf, isModelWide, parameterOf, parametersOf, searchableMethod } from './methods.ts'
import type { CoefficientSetting, ParameterSetting, RangeConfig, Value } from './search-range.ts'

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
  const methods = methodNames(config).flatMap(name => searchableMethod(name) ?? [])
  return [
    ...methodProblems(config, methods, sourceIds, baseId),
    ...depthProblems(config),
    ...coefficientProblems(config, methods),
    ...parameterProblems(config, methods),
    ...subsetProblems(config, methods, sourceIds),
    ...(config.pieces === undefined ? [] : pieceProblems(config)),
    ...ruleProblems(config, methods, sourceIds),
  ]
}

function methodProblems(
  config: GenomeConfig,
  methods: readonly MergeOperator[],
  sourceIds: readonly string[],
  baseId: string | undefined,
): GenomeProblem[] {
  const problems: GenomeProblem[] = []
  const list = typeof config.merge_method === 'object' && 'choices' in config.merge_method ? ['choices'] : []
  for (const i of repeated(methodNames(config))) {
    problems.push({
      path: ['merge_method', ...list, i],
      message: `${show(methodNames(config)[i])} is listed twice`,
    })
  }
  const needy = methods.find(method => method.base === 'required')
  if (needy && baseId === undefined) {
    const what = needy.models[1] === 1 ? 'the model it starts from' : 'the common ancestor'
    problems.push({ path: ['merge_method'], message: `${needy.name} needs "base_model", ${what}` })
  }
  if (sourceIds.length === 0) {
    problems.push({ path: ['models'], message: 'there is no model to merge besides the base' })
    return problems
  }
  for (const { name, base, models } of methods) {
    const [least, most] = models
    // One model alone is its own average: nothing to search.
    const needed = base === 'none' && most > 1 ? Math.max(2, least) : least
    if (sourceIds.length >= needed && sourceIds.length <= most) continue
    const besides = base === 'none' ? '' : ' besides the base'
    const number = ['no', 'one', 'two', 'three'][needed] ?? `${needed}`
    const required =
      sourceIds.length < needed
        ? `${name} needs at least ${number} models to merge${besides}`
        : `${name} merges ${number} ${most === 1 ? 'model' : 'models'}${besides}`
    const ids = sourceIds.slice(0, 8).map(id => show(id))
    problems.push({
      path: ['models'],
      message: `${required}, got ${ids.join(', ')}${ids.length === 1 ? ' only' : sourceIds.length > ids.length ? ', ...' : ''}`,
    })
    break
  }
  return problems
}

/** Interpolation over depth is of numbers that vary continuously. */
function depthProblems(config: GenomeConfig): GenomeProblem[] {
  const problems: GenomeProblem[] = []
  if (config.gradient && config.smooth) {
    problems.push({ path: ['gradient'], message: 'say either "smooth: true" or "gradient", not both' })
  }
  if ((config.gradient || config.smooth) && hasMethodPerGroup(config)) {
    problems.push({
      path: ['merge_method', 'per'],
      message: 'with "gradient" or "smooth" genes spread over all layers, and methods cannot; say "per: model"',
    })
  }
  return problems
}

function coefficientProblems(config: GenomeConfig, methods: readonly MergeOperator[]): GenomeProblem[] {
  return COEFFICIENTS.flatMap(name => {
    const setting = config[name]
    return setting === undefined ? [] : coefficientProblem(name, setting, methods, [name])
  })
}

function coefficientProblem(
  name: string,
  setting: CoefficientSetting,
  methods: readonly MergeOperator[],
  path: readonly (string | number)[],
): GenomeProblem[] {
  const holders = methods.filter(method => coefficientOf(method, name))
  if (holders.length === 0) {
    const known = [...new Set(methods.flatMap(method => method.coefficients.map(coefficient => coefficient.name)))]
    return [{ path, message: lacks(methods, `${name} per model`, known) }]
  }
  return holders.flatMap(method => {
    const message = numberProblem(method, coefficientOf(method, name)!, setting)
    return message === undefined ? [] : [{ path, message }]
  })
}

function parameterProblems(config: GenomeConfig, methods: readonly MergeOperator[]): GenomeProblem[] {
  const { normalize, lambda } = config
  const short = { ...(normalize !== undefined && { normalize }), ...(lambda !== undefined && { lambda }) }
  const problems: GenomeProblem[] = Object.entries(short).flatMap(([name, setting]) => {
    if (config.parameters[name] !== undefined) {
      return [{ path: ['parameters', name], message: `say ${name} once: here or as genome.${name}` }]
    }
    return parameterProblem(config, methods, name, setting, [name])
  })
  for (const [name, setting] of Object.entries(config.parameters)) {
    problems.push(...parameterProblem(config, methods, name, setting, ['parameters', name]))
  }
  return problems
}

function parameterProblem(
  config: GenomeConfig,
  methods: readonly MergeOperator[],
  name: string,
  setting: ParameterSetting,
  path: readonly (string | number)[],
): GenomeProblem[] {
  const holders = methods.filter(method => parameterOf(method, name))
  if (holders.length === 0) {
    const known = [...new Set(methods.flatMap(method => parametersOf(method).map(parameter => parameter.name)))]
    const guess = nearest(name, known)
    const perModel = methods.some(method => coefficientOf(method, name))
    if (perModel) return [{ path, message: `${name} is said per model: give it as genome.${name}` }]
    if (guess !== undefined) {
      return [{ path, message: `${namesOf(methods)} no ${show(name)}; did you mean ${show(guess)}?` }]
    }
    return [{ path, message: lacks(methods, name, known) }]
  }
  for (const method of holders) {
    const message = settingProblem(method, parameterOf(method, name)!, setting)
    if (message !== undefined) return [{ path, message }]
  }
  if (typeof setting !== 'object') return []
  const wide = holders.find(method => isModelWide(method, name))
  if ('per' in setting && setting.per === 'group' && wide !== undefined) {
    const message = `${name} of ${wide.name} is one for the whole model; say "per: model"`
    return [{ path: [...path, 'per'], message }]
  }
  const grouped = wide === undefined && !('per' in setting && setting.per === 'model')
  const discrete = 'choices' in setting || holders.some(method => isWhole(parameterOf(method, name)!))
  if ((config.gradient || config.smooth) && grouped && discrete && path.length > 1) {
    const message = 'with "gradient" or "smooth" genes spread over all layers, and choices cannot; say "per: model"'
    return [{ path, message }]
  }
  return []
}

export function isWhole(parameter: OperatorParameter): boolean {
  return parameter.kind === 'number' && parameter.integer === true
}

function settingProblem(method: MergeOperator, parameter: OperatorParameter, setting: ParameterSetting) {
  if (typeof setting !== 'object') return valueProblem(method, parameter, setting)
  if ('choices' in setting) {
    const { choices, initial } = setting
    if (new Set(choices).size < choices.length) return `choices of ${parameter.name} must differ from each other`
    if (initial !== undefined && !choices.includes(initial)) {
      return `initial must be one of the choices, got ${show(initial)}`
    }
    return choices.map(choice => valueProblem(method, parameter, choice)).find(message => message !== undefined)
  }
  if (parameter.kind !== 'number') {
    const choices = parameter.kind === 'boolean' ? [true, false] : parameter.choices
    return `${parameter.name} of ${method.name} has no range; say {choices: [${choices.join(', ')}]}`
  }
  return numberProblem(method, parameter, setting)
}

function valueProblem(method: MergeOperator, parameter: OperatorParameter, value: Value): string | undefined {
  const fail = (required: string) => `${parameter.name} of ${method.name} is ${required}, got ${show(value)}`
  switch (parameter.kind) {
    case 'boolean':
      return typeof value === 'boolean' ? undefined : fail('true or false')
    case 'choice':
      return parameter.choices.some(choice => choice === value) ? undefined : fail(parameter.choices.join(' or '))
    case 'number':
      return typeof value === 'number' ? numberProblem(method, parameter, value) : fail('a number')
  }
}

function numberProblem(
  method: MergeOperator,
  parameter: NumberParameter,
  setting: number | RangeConfig,
): string | undefined {
  const ends = typeof setting === 'number' ? [setting] : [setting.min, setting.max, setting.initial ?? setting.min]
  const what = `${parameter.name} of ${method.name}`
  if (parameter.integer && !ends.every(Number.isInteger)) return `${what} is a whole number, got ${ends.join(', ')}`
  if (parameter.integer && typeof setting === 'object' && setting.scale === 'log') {
    return `${what} is a whole number: it has no logarithmic scale; list {choices: [...]} instead`
  }
  const [low, high] = parameter.bounds ?? [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY]
  if (Math.min(...ends) >= low && Math.max(...ends) <= high) return undefined
  const bounds = high >= Number.MAX_VALUE ? `at least ${low}` : `in [${low}, ${high}]`
  return `${what} is ${bounds}, got ${typeof setting === 'number' ? setting : `${setting.min} to ${setting.max}`}`
}

function subsetProblems(
  config: GenomeConfig,
  methods: readonly MergeOperator[],
  sourceIds: readonly string[],
): GenomeProblem[] {
  if (!config.subset) return []
  if (!methods.some(method => coefficientOf(method, 'weight'))) {
    return [{ path: ['subset'], message: `models are switched off by a weight of 0, and ${namesOf(methods)} none` }]
  }
  if (sourceIds.length > 1) return []
  return [{ path: ['subset'], message: 'there is one model: switched off, nothing would be merged' }]
}

function ruleProblems(
  config: GenomeConfig,
  methods: readonly MergeOperator[],
  sourceIds: readonly string[],
): GenomeProblem[] {
  const problems: GenomeProblem[] = []
  const report = (path: readonly (string | number)[], message: string) => problems.push({ path, message })
  for (const i of repeated(config.filters)) report(['filters', i], `${show(config.filters[i])} is listed twice`)
  config.groups.forEach((rule, i) => {
    const { source, filter, layers } = rule.match
    if (source !== undefined && !sourceIds.includes(source)) {
      report(['groups', i, 'match', 'source'], `${unknownName('model', source, sourceIds)}`)
    }
    if (filter !== undefined && filter !== '*' && !config.filters.includes(filter)) {
      report(['groups', i, 'match', 'filter'], unknownName('filter', filter, [...config.filters, '*']))
    }
    if ((config.gradient || config.smooth) && !holdsOnly(rule) && layers !== undefined && typeof layers !== 'string') {
      report(
        ['groups', i, 'match', 'layers'],
        'with "gradient" or "smooth" a gene spreads over all layers, so only "frozen" can be limited to some of them',
      )
    }
    for (const name of COEFFICIENTS) {
      const setting = rule[name]
      if (setting !== undefined) problems.push(...coefficientProblem(name, setting, methods, ['groups', i, name]))
    }
  })
  return problems
}

/** The entry holds coefficients and frees none. */
function holdsOnly(rule: GenomeConfig['groups'][number]): boolean {
  return rule.share === undefined && COEFFICIENTS.every(name => typeof rule[name] !== 'object')
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
    parameters: Object.keys(config.parameters).length > 0,
    subset: config.subset,
  }
  for (const [key, given] of Object.entries(other)) {
    if (given) problems.push({ path: [key], message: '"pieces" have weights of their own: leave this out' })
  }
  if (typeof config.weight === 'number') {
    problems.push({ path: ['weight'], message: 'the weights of "pieces" are searched: give a range' })
  } else if (config.weight?.scale === 'log') {
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

/** `linear has`, `linear and ties have`. */
function namesOf(methods: readonly MergeOperator[]): string {
  return `${methods.map(({ name }) => name).join(' and ')} ${methods.length === 1 ? 'has' : 'have'}`
}

function lacks(methods: readonly MergeOperator[], what: string, known: readonly string[]): string {
  const pronoun = methods.length === 1 ? 'it has' : 'they have'
  return `${namesOf(methods)} no ${what}; ${pronoun} ${known.length === 0 ? 'none' : known.join(', ')}`
}
