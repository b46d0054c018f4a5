import { gen } from '../fixture.ts'
import { A, B, base, C, type Case } from './fixture.ts'

// Numbers of an independent float64 implementation (numpy) of the formulas, 9 digits.
/** Column by column what `fingerprint` gives. */
export type Row = readonly [name: string, operator: string, given: Case, row: readonly number[]]

const masked = (model: Float64Array, period: number) => model.map((value, i) => (i % period === 0 ? base[i]! : value))
const MASKED = [masked(A, 2), masked(B, 3), masked(C, 5)]

/** XᵀX / 10 of inputs X = gen(20), gen(21), gen(22), 10 × 6. */
const GRAMS = [20, 21, 22].map(seed => {
  const X = gen(seed, 60)
  return Float64Array.from({ length: 36 }, (_, e) => {
    let sum = 0
    for (let row = 0; row < 10; row++) sum += X[row * 6 + Math.floor(e / 6)]! * X[row * 6 + (e % 6)]!
    return sum / 10
  })
})

export const ROWS: readonly Row[] = [
  [
    'linear .5 .3 .2',
    'linear',
    { coefficients: { weight: [0.5, 0.3, 0.2] } },
    [-1.99907227, 0.00397949219, 1.59345703, -1.75043945, -0.421044922],
  ],
  [
    'slerp t=.3 from A to C',
    'slerp',
    { base: A, models: [C], parameters: { t: 0.3 } },
    [-2.04381608, -1.21940707, 2.00749617, -1.73268511, -0.467106213],
  ],
  [
    'nuslerp 1 3, flat',
    'nuslerp',
    { models: [A, C], coefficients: { weight: [1, 3] } },
    [-2.03743145, -5.70622286, 2.01031453, -1.77086516, -0.573310197],
  ],
  [
    'nuslerp 1 3, last dimension',
    'nuslerp',
    { models: [A, C], coefficients: { weight: [1, 3] }, parameters: { nuslerp_flatten: false } },
    [-2.03413456, -5.69193496, 2.00832879, -1.76923443, -0.573687904],
  ],
  [
    'nuslerp 1 3, first dimension',
    'nuslerp',
    {
      models: [A, C],
      coefficients: { weight: [1, 3] },
      parameters: { nuslerp_flatten: false, nuslerp_row_wise: true },
    },
    [-2.03907004, -5.7222609, 2.01608339, -1.77016334, -0.573452529],
  ],
  [
    'nuslerp 1 3, with base',
    'nuslerp',
    { base, models: [A, C], coefficients: { weight: [1, 3] } },
    [-1.97119906, -5.64243699, 2.36572227, -1.74803501, -0.576096851],
  ],
  [
    'multislerp .5 .3 .2',
    'multislerp',
    { coefficients: { weight: [0.5, 0.3, 0.2] } },
    [-2.00564517, 0.0265150563, 1.57813179, -1.75582635, -0.42190524],
  ],
  ['karcher', 'karcher', {}, [-1.99970289, -1.27488697, 1.48956238, -1.77119253, -0.451012183]],
  [
    'task arithmetic 1 .5 .5, lambda .7',
    'task_arithmetic',
    { base, coefficients: { weight: [1, 0.5, 0.5] }, parameters: { lambda: 0.7 } },
    [-1.85621338, 0.955126953, 2.18861084, -1.7045166, -0.406359863],
  ],
  [
    'ties d=.5, 1 .5 .5',
    'ties',
    { base, coefficients: { weight: [1, 0.5, 0.5], density: [0.5, 0.5, 0.5] } },
    [-1.40114339, 4.25299072, 3.43027751, -1.7043457, -0.371419271],
  ],
  [
    'ties of the paper, 50 %, mean',
    'ties',
    { base, coefficients: { weight: [1, 1, 1], density: [0.5, 0.5, 0.5] }, parameters: { flavor: 'paper' } },
    [-1.50846354, -0.794270833, 3.58976237, -1.7043457, -0.359375],
  ],
  [
    'breadcrumbs d=.5 g=.1, 1 .5 .5',
    'breadcrumbs',
    { base, coefficients: { weight: [1, 0.5, 0.5], density: [0.5, 0.5, 0.5], gamma: [0.1, 0.1, 0.1] } },
    [-1.91674805, 1.98095703, 2.60717773, -1.7043457, -0.361206055],
  ],
  ['model stock', 'model_stock', { base }, [-2.31343263, -3.74854163, 0.253482744, -1.84663705, -0.501279927]],
  [
    'sce topk=.5',
    'sce',
    { base, parameters: { select_topk: 0.5 } },
    [-2.04800016, -5.11705933, 1.8611059, -1.86328125, -0.347596052],
  ],
  ['sce topk=1', 'sce', { base }, [-1.57696689, -0.730964621, 3.11523117, -1.76718195, -0.355801158]],
  [
    'nearswap t=.1',
    'nearswap',
    { base, models: [A], parameters: { t: 0.1 } },
    [-2.37358398, -1.52226562, 1.91303711, -1.76328125, -0.41171875],
  ],
  ['ram, all overlap', 'ram', { base }, [-1.99251302, -1.30021159, 1.49593099, -1.76505534, -0.450113932]],
  ['ram, masked', 'ram', { base, models: MASKED }, [-2.19226074, -6.85510254, 1.87080892, -1.86328125, -0.450113932]],
  [
    'ramplus, masked',
    'ramplus_tl',
    { base, models: MASKED },
    [-2.18663086, -6.78759277, 1.88142904, -1.86328125, -0.450113932],
  ],
  ['arcee fusion to A', 'arcee_fusion', { base, models: [A] }, [-2.37890625, -4.24804688, 0, -1.86328125, -0.51171875]],
  ['arcee fusion to B', 'arcee_fusion', { base, models: [B] }, [-2.37890625, -4.24804688, 0, -1.86328125, -0.51171875]],
  [
    'arcee fusion to C',
    'arcee_fusion',
    { base, models: [C] },
    [-2.28833008, -2.49169922, 0.397705078, -1.86328125, -0.51171875],
  ],
  ['iso_c', 'iso_c', { base }, [-1.37968195, 6.11905559, 4.21079678, -1.65494277, -0.358039901]],
  ['tsv_m', 'tsv_m', { base }, [-1.80505932, 1.46801416, 3.03042857, -1.81606474, -0.470027231]],
  [
    'wudi, absolute ridge .05',
    'wudi',
    { base, parameters: { epsilon: 0.1 } },
    [-1.91434312, -0.342070895, 3.9248524, -1.66668267, -0.222957844],
  ],
  ['star eta=40', 'star', { base }, [-2.13950568, -4.63835311, 2.35956302, -1.78180341, -0.48758908]],
  ['iso_cts .8', 'iso_cts', { base }, [-1.37968195, 6.11905559, 4.21079678, -1.65494277, -0.358039901]],
  [
    'iso_cts .3',
    'iso_cts',
    { base, parameters: { common_space_fraction: 0.3 } },
    [-1.04125536, 12.7438704, 3.99473923, -1.64355738, -0.425052661],
  ],
  ['opcm .5, A B C', 'opcm', { base }, [-1.72016531, 1.28246441, 2.38990731, -1.73081861, -0.396872038]],
  [
    'pcb ratio=.25',
    'pcb',
    { base, parameters: { ratio: 0.25 } },
    [-1.52698922, 2.03362684, 2.46110823, -1.86328125, -0.323242188],
  ],
  ['consensus .4, k=2', 'consensus', { base }, [-2.0723877, -0.711621094, 1.08903809, -1.86328125, -0.456274414]],
  [
    'regmean a=.9',
    'regmean',
    { statistics: GRAMS, parameters: { ridge: 0 } },
    [-2.09708369, -4.03056482, 1.54500769, -1.78954826, -0.488025787],
  ],
  ['widen', 'widen', { base }, [-1.90865382, -3.33545876, 2.9992948, -1.71141776, -0.398826601]],
]
