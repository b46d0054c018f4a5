import type { KernelPlan, OperatorPlan } from '../method.ts'
import type { SourceSum } from '../operators/operator.ts'
import { kernelTerms } from '../terms.ts'

/** Class L with nothing to prepare: the kernels of the weighted sum and of task arithmetic, on the sources. */
export function planSourceSum({ coefficients }: SourceSum, plan: OperatorPlan): KernelPlan {
  const { settings, sources, base, depth, operator } = plan
  const terms = kernelTerms(sources, coefficients(settings, depth), operator.name)
  if (base !== undefined) {
    if (terms.length > 0) return { kernel: 'task-arithmetic', base, terms }
    return { kernel: 'linear', base: undefined, terms: [{ source: base, coefficient: 1 }] }
  }
  return {
    kernel: 'linear',
    base: undefined,
    terms: terms.length > 0 ? terms : [{ source: sources[0]!, coefficient: 0 }],
  }
}
