// mergekit configurations of every method that can be compared: plain, with gradients and filters, and with slices.

const EXPERTS = ['expert0', 'expert1', 'expert2']

/** Per method: whether it takes a base, how many models, per-model parameters and parameters, in three settings. */
const METHODS = {
  linear: { models: 3, own: { weight: [0.5, 0.3, 0.2] }, global: [{}, { normalize: false }, {}] },
  karcher: { models: 3, global: [{}, { max_iter: 20 }, { tol: 1e-4 }] },
  passthrough: { models: 1, own: { scale: [0.75] }, global: [{}, {}, {}] },
  slerp: { base: 'listed', models: 1, gradient: { t: [0, 0.5, 0.3, 1] }, global: [{ t: 0.3 }, {}, { t: 0.8 }] },
  nuslerp: {
    models: 2,
    own: { weight: [1, 3] },
    global: [{}, { nuslerp_flatten: false }, { nuslerp_flatten: false, nuslerp_row_wise: true }],
  },
  multislerp: { models: 3, own: { weight: [0.5, 0.3, 0.2] }, global: [{}, { normalize_weights: false }, {}] },
  task_arithmetic: {
    base: true,
    models: 3,
    own: { weight: [1, 0.5, 0.4] },
    global: [{}, { normalize: true }, { lambda: 0.7 }],
  },
  ties: {
    base: true,
    models: 3,
    own: { weight: [1, 0.5, 0.4], density: [0.5, 0.7, 0.9] },
    global: [{}, { normalize: false }, { lambda: 0.8 }],
  },
  breadcrumbs: {
    base: true,
    models: 3,
    own: { weight: [1, 0.5, 0.4], density: [0.5, 0.7, 0.9], gamma: [0.05, 0.02, 0.01] },
    global: [{}, { normalize: true }, { lambda: 0.8 }],
  },
  breadcrumbs_ties: {
    base: true,
    models: 3,
    own: { weight: [1, 0.5, 0.4], density: [0.5, 0.7, 0.9], gamma: [0.05, 0.02, 0.01] },
    global: [{}, { normalize: true }, { lambda: 0.8 }],
  },
  // Random masks cannot be equal; at density 1 nothing is dropped and the rest of the method is compared.
  dare_linear: {
    base: true,
    models: 3,
    own: { weight: [1, 0.5, 0.4], density: [1, 1, 1] },
    global: [{}, { normalize: true }, { lambda: 0.8 }],
  },
  dare_ties: {
    base: true,
    models: 3,
    own: { weight: [1, 0.5, 0.4], density: [1, 1, 1] },
    global: [{}, { normalize: true }, { lambda: 0.8 }],
  },
  della: {
    base: true,
    models: 3,
    own: { weight: [1, 0.5, 0.4], density: [1, 1, 1] },
    global: [{}, { normalize: false }, { lambda: 0.8 }],
  },
  della_linear: {
    base: true,
    models: 3,
    own: { weight: [1, 0.5, 0.4], density: [1, 1, 1] },
    global: [{}, { normalize: true }, { lambda: 0.8 }],
  },
  model_stock: { base: true, models: 3, global: [{}, { filter_wise: true }, {}] },
  nearswap: { base: true, models: 1, global: [{ t: 0.01 }, { t: 0.001 }, { t: 0.05 }] },
  sce: { base: true, models: 3, global: [{}, { select_topk: 0.5 }, { select_topk: 0.1 }] },
  arcee_fusion: { base: 'listed', models: 1, global: [{}, {}, {}] },
  ram: { base: true, models: 3, global: [{}, { epsilon: 1e-3 }, { epsilon: 1e-2 }] },
  ramplus_tl: { base: true, models: 3, global: [{}, { epsilon: 1e-2, r: 0.2 }, { epsilon: 1e-2, alpha: 0.5 }] },
}

export function configurations(dtypes, layers) {
  const all = []
  for (const [method, { base, models, own = {}, gradient = {}, global }] of Object.entries(METHODS)) {
    const experts = EXPERTS.slice(0, models)
    const parametersOf = e => Object.fromEntries(Object.entries(own).map(([name, values]) => [name, values[e]]))
    const filtered = e =>
      Object.fromEntries(
        Object.entries(own).map(([name, values]) => [
          name,
          name === 'weight'
            ? [{ filter: 'self_attn', value: [values[e], 0.5] }, { filter: 'mlp', value: values[e] }, { value: 0.6 }]
            : values[e],
        ]),
      )
    const listed = of => [
      ...(base === 'listed' ? [{ model: 'base' }] : []),
      ...experts.map((model, e) => ({ model, ...(Object.keys(own).length > 0 ? { parameters: of(e) } : {}) })),
    ]
    const common = { merge_method: method, ...(base ? { base_model: 'base' } : {}), ...dtypes }
    const sliced = (from, to, of) => ({
      sources: [...(base === true ? [{ model: 'base' }] : []), ...listed(of)].map(source => ({
        ...source,
        layer_range: [from, to],
      })),
    })
    const half = Math.floor(layers / 2)
    all.push(
      { method, form: 'plain', config: { ...common, models: listed(parametersOf), parameters: global[0] } },
      {
        method,
        form: 'gradients and filters',
        config: { ...common, models: listed(filtered), parameters: { ...global[1], ...gradient } },
      },
      {
        method,
        form: 'slices',
        config: {
          ...common,
          slices: [sliced(0, half, parametersOf), sliced(half, layers, filtered)],
          parameters: global[2],
        },
      },
    )
  }
  return all
}
