import { taskVectorOperator } from './task-vector-family.ts'

/** M. Davari, E. Belilovsky, "Model breadcrumbs: scaling multi-task model merging with sparse masks", ECCV 2024, section 3. */
const reference = { text: 'Davari and Belilovsky 2024, Model breadcrumbs', url: 'https://arxiv.org/abs/2312.06795' }

export const breadcrumbs = taskVectorOperator({
  name: 'breadcrumbs',
  title: 'Model breadcrumbs',
  reference,
  sparsifier: 'middle',
  elect: false,
  normalize: false,
  rescale: false,
})

export const breadcrumbsTies = taskVectorOperator({
  name: 'breadcrumbs_ties',
  title: 'Model breadcrumbs with sign election',
  reference,
  sparsifier: 'middle',
  elect: true,
  normalize: false,
  rescale: false,
})
