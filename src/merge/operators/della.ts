import { taskVectorOperator } from './task-vector-family.ts'

/** P. Deep et al., "DELLA-Merging: reducing interference in model merging through magnitude-based sampling", 2024, section 3. */
const reference = { text: 'Deep et al. 2024, DELLA-Merging', url: 'https://arxiv.org/abs/2406.11617' }

export const della = taskVectorOperator({
  name: 'della',
  title: 'DELLA with sign election',
  reference,
  sparsifier: 'rank',
  elect: true,
  normalize: true,
  rescale: true,
})

export const dellaLinear = taskVectorOperator({
  name: 'della_linear',
  title: 'DELLA with task arithmetic',
  reference,
  sparsifier: 'rank',
  elect: false,
  normalize: false,
  rescale: true,
})
