import { expect, it } from 'vitest'
import { selectObjectives } from '../../src/config/objectives.ts'
import { parseBytes } from '../../src/config/schema.ts'
import type { Objective } from '../../src/objective.ts'

const low: Objective = { name: 'low', direction: 'maximize', unit: 'accuracy, 0..1', reference: 0, ideal: 1 }
const nll: Objective = { name: 'low_nll', direction: 'minimize', unit: 'nats/example', reference: 2.3, ideal: 0 }

it('keeps all objectives when the config names none', () => {
  expect(selectObjectives([low, nll], undefined)).toEqual({ objectives: [low, nll], positions: [0, 1] })
})

it('takes those that are named, in that order, with other references', () => {
  expect(selectObjectives([low, nll], [{ name: 'low_nll', reference: 5 }, { name: 'low' }])).toEqual({
    objectives: [{ ...nll, reference: 5 }, low],
    positions: [1, 0],
  })
})

it.each([
  [[{ name: 'lwo' }], 'objectives[0]: unknown objective "lwo"; did you mean "low"?'],
  [[{ name: 'other' }], 'objectives[0]: unknown objective "other"; there are "low", "low_nll"'],
  [[{ name: 'low' }, { name: 'low' }], 'objectives[1]: "low" is listed twice'],
  [
    [{ name: 'low', reference: 1 }],
    'objectives[0].reference: expected a value worse than the best possible, 1 (maximize), got 1',
  ],
  [
    [{ name: 'low_nll', reference: -1 }],
    'objectives[0].reference: expected a value worse than the best possible, 0 (minimize), got -1',
  ],
])('refuses %j', (choices, message) => {
  expect(() => selectObjectives([low, nll], choices)).toThrow(message)
})

it.each([
  [1024, 1024],
  ['4 GiB', 4 * 2 ** 30],
  ['1.5GB', 1.5e9],
  ['512 MiB', 2 ** 29],
  ['4 gigs', undefined],
  ['4', undefined],
  ['0 B', undefined],
  ['-1 GB', undefined],
  ['1 toString', undefined],
])('reads the size %j', (size, bytes) => {
  expect(parseBytes(size)).toBe(bytes)
})
