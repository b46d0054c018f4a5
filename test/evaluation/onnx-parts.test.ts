import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { readCsv } from '../../src/evaluation/data/csv.ts'
import { FactsRoom } from '../../src/evaluation/onnx/facts-room.ts'
import { rankOf } from '../../src/evaluation/onnx/label-ranks/rank-of.ts'
import { expectedWeights, matchWeights, weightSlots } from '../../src/evaluation/onnx/match.ts'
import { mean } from '../../src/evaluation/onnx/metric.ts'
import { denseInput } from '../../src/evaluation/onnx/rows.ts'
import { splitByRule } from '../../src/evaluation/onnx/split.ts'
import { classificationMetrics } from '../../src/evaluation/onnx/tasks/classification.ts'
import { chooseWeightsMode } from '../../src/evaluation/onnx/weights-mode.ts'
import { parseOnnxModel } from '../../src/formats/onnx.ts'
import { buildOnnxModel, type OnnxInitializerSpec } from '../../src/formats/onnx-build.ts'
import { matches } from '../../src/merge/pattern.ts'
import { thrownBy } from '../helpers/thrown.ts'

function scores(
  metric: 'accuracy' | 'negative_log_likelihood',
  logits: readonly number[],
  classes: number,
  labels: readonly number[],
): number[] {
  const own = Int32Array.from(labels)
  const { scores: scoresOf } = classificationMetrics({ search: own, select: own, holdout: own }, classes)[metric]!({
    metric,
  })
  const values = Float64Array.from(logits)
  return [...scoresOf({ examples: Int32Array.from(own.keys()), width: classes, values }, 'search')]
}

describe('accuracy', () => {
  it('is 1 where the largest logit is the label', () => {
    expect(scores('accuracy', [1, 3, 2, 5, 4, -1], 3, [1, 1])).toEqual([1, 0])
  })

  it('breaks ties towards the lowest class, whatever the label', () => {
    expect(scores('accuracy', [2, 2, 1, 2, 2, 1], 3, [0, 1])).toEqual([1, 0])
  })

  it('is NaN where a logit is NaN, and takes infinities as numbers', () => {
    expect(scores('accuracy', [Number.NaN, 1, 1, Number.NaN], 2, [1, 0])).toEqual([Number.NaN, Number.NaN])
    expect(scores('accuracy', [Number.NEGATIVE_INFINITY, 1, 0, Number.POSITIVE_INFINITY], 2, [1, 1])).toEqual([1, 1])
  })
})

describe('the rank of a label', () => {
  it('is its place among the classes, sorted by logit and then by number; NaN where a logit is NaN', () => {
    const logit = fc.constantFrom(-1, -0, 0, 1, 2, 3, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, Number.NaN)
    fc.assert(
      fc.property(
        fc.array(logit, { minLength: 1, maxLength: 6 }),
        fc.nat(),
        fc.nat({ max: 3 }),
        (logits, n, before) => {
          const label = n % logits.length
          const sorted = [...logits.keys()].sort(
            (i, j) => Number(logits[j]! > logits[i]!) - Number(logits[i]! > logits[j]!),
          )
          const expected = logits.some(Number.isNaN) ? Number.NaN : sorted.indexOf(label)
          // What lies around the example's logits is no concern of its rank.
          const values = Float32Array.of(...new Array<number>(before).fill(9), ...logits, Number.NaN)
          expect(rankOf(values, before, logits.length, label)).toBe(expected)
        },
      ),
    )
  })
})

describe('rows of numbers', () => {
  it('are viewed where they lie side by side, else copied and filled up with zeros', () => {
    const dense = { dtype: 'float32', shape: [2], data: Float32Array.of(1, 2, 3, 4, 5, 6) } as const
    const view = denseInput(dense, Int32Array.of(1, 2), 2)
    expect(view).toEqual({ dtype: 'float32', dims: [2, 2], data: Float32Array.of(3, 4, 5, 6) })
    expect(view.data.buffer).toBe(dense.data.buffer)
    const apart = denseInput(dense, Int32Array.of(0, 2), 2)
    expect(apart).toEqual({ dtype: 'float32', dims: [2, 2], data: Float32Array.of(1, 2, 5, 6) })
    const filled = denseInput(dense, Int32Array.of(1), 2)
    expect(filled).toEqual({ dtype: 'float32', dims: [2, 2], data: Float32Array.of(3, 4, 0, 0) })
  })
})

describe('memory for facts', () => {
  it('is given out again and again, and grows', () => {
    const room = new FactsRoom()
    const first = room.take(10)
    expect(room.take(4).buffer).toBe(first.buffer)
    expect([first.length, room.take(4).length, room.take(20).length]).toEqual([10, 4, 20])
    expect(room.take(10).buffer).not.toBe(first.buffer)
  })

  it('is not kept beyond the limit', () => {
    const room = new FactsRoom(16)
    const kept = room.take(4)
    expect(room.take(5).buffer).not.toBe(room.take(5).buffer)
    expect(room.take(4).buffer).toBe(kept.buffer)
  })
})

describe('negative log-likelihood', () => {
  it('is ln(classes) for equal logits, however large', () => {
    for (const z of [0, 80, 1e30, -1e30])
      expect(scores('negative_log_likelihood', [z, z, z, z], 4, [2])).toEqual([Math.fround(Math.log(4))])
  })

  it('is ln(1 + e^-d) for two classes a distance d apart', () => {
    for (const d of [0.5, 3, 10, 60])
      expect(scores('negative_log_likelihood', [d, 0], 2, [0])[0]).toBeCloseTo(Math.log1p(Math.exp(-d)), 7)
    expect(scores('negative_log_likelihood', [1000, 0], 2, [1])).toEqual([1000])
  })

  it('does not change when all logits are shifted', () => {
    const logit = fc.integer({ min: -40, max: 40 })
    fc.assert(
      fc.property(fc.array(logit, { minLength: 3, maxLength: 3 }), fc.integer({ min: -500, max: 500 }), (z, shift) => {
        const moved = z.map(value => value + shift)
        expect(scores('negative_log_likelihood', moved, 3, [1])).toEqual(scores('negative_log_likelihood', z, 3, [1]))
      }),
    )
  })

  it('is NaN where a logit is NaN', () => {
    expect(scores('negative_log_likelihood', [1, Number.NaN], 2, [0])).toEqual([Number.NaN])
  })
})

describe('mean', () => {
  it('is computed in float64: a million small scores keep their digits', () => {
    expect(mean(new Float32Array(1_000_000).fill(0.1))).toBeCloseTo(Math.fround(0.1), 12)
  })
})

describe('column and tensor patterns', () => {
  it.each([
    ['p*', 'p12', true],
    ['p*', 'label', false],
    ['p?', 'p1', true],
    ['p?', 'p12', false],
    ['*.weight', 'layers.0.weight', true],
    ['*.weight', 'layers.0.weight.x', false],
    ['a*b*c', 'a-b-b-c', true],
    ['a.c', 'abc', false],
    ['', '', true],
    ['*', '', true],
    ['?', '', false],
  ])('%s against %s: %s', (pattern, name, expected) => {
    expect(matches(pattern, name)).toBe(expected)
  })

  it('agrees with a regular expression of the same meaning', () => {
    const word = fc.string({ unit: fc.constantFrom('a', 'b', '*', '?'), maxLength: 6 })
    const name = fc.string({ unit: fc.constantFrom('a', 'b'), maxLength: 8 })
    fc.assert(
      fc.property(word, name, (pattern, text) => {
        const twin = new RegExp(`^${pattern.replaceAll('*', '[^]*').replaceAll('?', '[^]')}$`)
        expect(matches(pattern, text)).toBe(twin.test(text))
      }),
    )
  })
})

describe('the split rule', () => {
  const labels = Array.from({ length: 1000 }, (_, i) => (i % 10 === 0 ? 0 : 1 + (i % 3)))
  const rule = { seed: 1, search: 0.5, select: 0.2, holdout: 0.3 }

  it('gives every class the same proportions, and every example one split', () => {
    const splits = splitByRule(labels, rule)
    for (const label of [0, 1, 2, 3]) {
      const own = splits.filter((_, i) => labels[i] === label)
      for (const split of ['search', 'select', 'holdout'] as const)
        expect(Math.abs(own.filter(s => s === split).length - rule[split] * own.length)).toBeLessThanOrEqual(1)
    }
    expect(splits.includes(undefined)).toBe(false)
  })

  it('leaves out what the fractions leave out', () => {
    const splits = splitByRule(labels, { seed: 1, search: 0.1, select: 0.1, holdout: 0.1 })
    expect(splits.filter(split => split === undefined).length).toBeGreaterThan(690)
  })

  it('depends on the seed alone', () => {
    expect(splitByRule(labels, rule)).toEqual(splitByRule(labels, rule))
    expect(splitByRule(labels, { ...rule, seed: 2 })).not.toEqual(splitByRule(labels, rule))
  })

  it('does not move the examples of one class when another class grows', () => {
    const grown = splitByRule([...labels, ...new Array<number>(50).fill(3)], rule)
    const before = splitByRule(labels, rule)
    labels.forEach((label, i) => {
      if (label !== 3) expect(grown[i]).toBe(before[i])
    })
  })

  it('mixes: neighbours do not go to the same split', () => {
    const splits = splitByRule(new Array<number>(200).fill(0), rule)
    const changes = splits.filter((split, i) => i > 0 && split !== splits[i - 1]).length
    expect(changes).toBeGreaterThan(60)
  })
})

describe('readCsv', () => {
  function read(text: string): unknown {
    const seen: unknown[] = []
    readCsv(Buffer.from(text), 'd.csv', columns => {
      seen.push(columns)
      return (cells, row) => seen.push([row, ...cells])
    })
    return seen
  }

  it('reads quotes, a byte order mark and Windows line ends; skips empty lines', () => {
    expect(read('\ufeffa,"b, c"\r\n1,"x ""y"""\r\n\r\n2,z\r\n')).toEqual([
      ['a', 'b, c'],
      [2, '1', 'x "y"'],
      [3, '2', 'z'],
    ])
  })

  it.each([
    ['an empty file', '', 'd.csv is empty; a header row is required.'],
    ['a repeated column', 'a,b,a\n1,2,3', 'd.csv has two columns named "a".'],
    ['a nameless column', 'a,,b\n1,2,3', 'd.csv has a column without a name in its header row.'],
    ['a short row', 'a,b\n1', 'd.csv is no valid CSV: Invalid Record Length: expect 2, got 1 on line 2.'],
    [
      'an open quote',
      'a,b\n1,"2',
      'd.csv is no valid CSV: Quote Not Closed: the parsing is finished with an opening quote at line 2.',
    ],
  ])('refuses %s', (_, text, message) => {
    expect(thrownBy(() => read(text))).toBe(`FormatError: ${message}`)
  })

  it('passes errors of its caller through', () => {
    const stop = new RangeError('stop')
    expect(() =>
      readCsv(Buffer.from('a\n1'), 'd.csv', () => () => {
        throw stop
      }),
    ).toThrow(stop)
  })
})

describe('matching weights', () => {
  const NONE = { constants: [], ignored: [] }
  function initializers(...specs: readonly OnnxInitializerSpec[]) {
    const bytes = buildOnnxModel({ inputs: [], outputs: [], nodes: [], initializers: specs })
    return parseOnnxModel(bytes, 'g.onnx').initializers
  }
  const floats = (name: string, ...shape: readonly number[]): OnnxInitializerSpec => ({
    name,
    shape,
    data: new Float32Array(shape.reduce((product, dim) => product * dim, 1)),
  })
  const tensors = (...specs: readonly OnnxInitializerSpec[]) => new Map(specs.map(spec => [spec.name, spec]))

  it('binds equal names and shapes, and leaves integers and single numbers to the graph', () => {
    const graph = initializers(floats('w', 2, 3), floats('b', 3), floats('scale'), {
      name: 'shape',
      shape: [2],
      data: BigInt64Array.of(1n, 2n),
    })
    expect([...expectedWeights(graph, NONE, 'g.onnx')]).toEqual(['w', 'b'])
    expect([...matchWeights(graph, tensors(floats('b', 3), floats('w', 2, 3)), NONE, 'g.onnx')]).toEqual(['b', 'w'])
  })

  it('binds a single number that the model brings along', () => {
    const graph = initializers(floats('w', 2), floats('scale'))
    expect([...matchWeights(graph, tensors(floats('w', 2), floats('scale')), NONE, 'g.onnx')]).toEqual(['w', 'scale'])
  })

  it('lists both sides when they do not match', () => {
    const graph = initializers(floats('w', 2, 3), floats('mean', 4), floats('v', 2))
    const model = tensors(floats('w', 3, 2), floats('lm_head', 5), floats('v', 2))
    expect(thrownBy(() => matchWeights(graph, model, NONE, 'g.onnx'))).toBe(
      'EvaluatorError: The weights of g.onnx do not match the merged model: only in the graph: "mean"; only in the merged model: "lm_head"; of different shape: "w" [2, 3] in the graph, [3, 2] in the model.',
    )
  })

  it('shows a few names of many', () => {
    const graph = initializers(floats('w', 2))
    const model = tensors(floats('w', 2), ...Array.from({ length: 9 }, (_, i) => floats(`x${i}`, 1)))
    expect(thrownBy(() => matchWeights(graph, model, NONE, 'g.onnx'))).toBe(
      'EvaluatorError: The weights of g.onnx do not match the merged model: only in the merged model: "x0", "x1", "x2", "x3", "x4", "x5" and 3 more.',
    )
  })

  it('leaves declared constants to the graph and declared surplus to the model', () => {
    const graph = initializers(floats('w', 2), floats('norm.mean', 4), floats('norm.std', 4))
    const model = tensors(floats('w', 2), floats('lm_head', 5), floats('norm.std', 4))
    const options = { constants: ['norm.*'], ignored: ['lm_*'] }
    expect([...matchWeights(graph, model, options, 'g.onnx')]).toEqual(['w'])
  })

  it('takes float inputs of fixed shape that no task fills for weights', () => {
    const inputs = [
      { name: 'pixels', shape: ['batch', 4] },
      { name: 'mean', shape: [4] },
      { name: 'w', shape: [2, 4] },
      { name: 'gain', shape: [] },
      { name: 'ids', dtype: 'int64', shape: [2] },
    ] as const
    const bytes = buildOnnxModel({ inputs, outputs: [], nodes: [], initializers: [floats('b', 2)] })
    const slots = weightSlots(parseOnnxModel(bytes, 'g.onnx'), new Set(['mean']))
    expect([...expectedWeights(slots, NONE, 'g.onnx')]).toEqual(['b', 'w', 'gain'])
    const model = tensors(floats('b', 2), floats('w', 2, 4))
    expect(thrownBy(() => matchWeights(slots, model, NONE, 'g.onnx'))).toBe(
      'EvaluatorError: The weights of g.onnx do not match the merged model: only in the graph: "gain".',
    )
  })

  it('refuses weights of another float type', () => {
    const graph = initializers({ name: 'w', shape: [2], data: new Float64Array(2) })
    expect(thrownBy(() => expectedWeights(graph, NONE, 'g.onnx'))).toBe(
      'EvaluatorError: g.onnx: the weight "w" is float64; merged weights are fed as float32.',
    )
  })

  it('refuses a graph without weights', () => {
    expect(thrownBy(() => expectedWeights(initializers(floats('scale')), NONE, 'g.onnx'))).toBe(
      'EvaluatorError: g.onnx has no float32 weights that could be replaced.',
    )
  })
})

describe('the choice between the two ways of giving weights', () => {
  it.each([
    [10, 20, true, 'inputs', 'Faster: about 10.0 ms as inputs, 20.0 ms as initializers per candidate.'],
    [20, 10, true, 'initializers', 'Faster: about 20.0 ms as inputs, 10.0 ms as initializers per candidate.'],
    [
      20,
      10,
      false,
      'inputs',
      'Slower (about 20.0 ms as inputs, 10.0 ms as initializers per candidate), but the two ways differ in the last bits: set "weights: initializers" to take the faster in every worker.',
    ],
  ])('with %d and %d ms and equal bits %s is %s', (inputsMs, initializersMs, isEqual, value, reason) => {
    expect(chooseWeightsMode({ inputsMs, initializersMs, isEqual })).toEqual({ option: 'weights', value, reason })
  })
})
