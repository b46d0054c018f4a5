import { taskVectorOperator } from './task-vector-family.ts'

/** G. Ilharco et al., "Editing models with task arithmetic", ICLR 2023, section 2: out = W0 + λ Σ w_m τ_m. */
export const taskArithmetic = taskVectorOperator({
  name: 'task_arithmetic',
  title: 'Task arithmetic',
  reference: {
    text: 'Ilharco et al. 2023, Editing models with task arithmetic',
    url: 'https://arxiv.org/abs/2212.04089',
  },
  sparsifier: 'none',
  elect: false,
  normalize: false,
  rescale: undefined,
})
