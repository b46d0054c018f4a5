import { taskVectorOperator } from './task-vector-family.ts'

/**
 * L. Yu et al., "Language models are super Mario: absorbing abilities from homologous models as a free lunch", ICML 2024: drop elements
 * of the task vectors at random and scale the rest, then add (linear) or merge with elected signs (ties).
 */
const reference = { text: 'Yu et al. 2024, Language models are super Mario', url: 'https://arxiv.org/abs/2311.03099' }

export const dareLinear = taskVectorOperator({
  name: 'dare_linear',
  title: 'DARE with task arithmetic',
  reference,
  sparsifier: 'random',
  elect: false,
  normalize: false,
  rescale: true,
})

export const dareTies = taskVectorOperator({
  name: 'dare_ties',
  title: 'DARE with sign election',
  reference,
  sparsifier: 'random',
  elect: true,
  normalize: false,
  rescale: true,
})
