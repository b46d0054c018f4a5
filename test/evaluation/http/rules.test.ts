import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { chosen, expectedOf, fillFields, lastNumber, markOf, scoreText } from '../../../src/evaluation/http/rules.ts'

const expecting = (answer: unknown, choices?: readonly string[]) =>
  expectedOf({ answer, ...(choices !== undefined && { choices }) }, 'questions.jsonl, line 1')

describe('rules', () => {
  const exact = { rule: 'exact', ignore_case: false, ignore_punctuation: false } as const
  const numeric = { rule: 'numeric', absolute: 1e-6, relative: 0 } as const
  const regex = { rule: 'regex', pattern: '#### (\\S+)', ignore_case: false } as const
  it.each([
    [exact, ' Paris\n', 'Paris', 1],
    [exact, 'paris', 'Paris', 0],
    [{ ...exact, ignore_case: true, ignore_punctuation: true }, '"PARIS."', ['Lutetia', 'Paris'], 1],
    [{ rule: 'contains', ignore_case: false } as const, 'It is Paris, of course', 'Paris', 1],
    [{ rule: 'contains', ignore_case: true } as const, 'It is PARIS', 'paris', 1],
    [{ rule: 'contains', ignore_case: false } as const, 'Rome', 'Paris', 0],
    [numeric, 'First 12, then 5. So it is 1,234.50', 1234.5, 1],
    [numeric, 'The answer is −3', '-3', 1],
    [numeric, '3.001', 3, 0],
    [{ ...numeric, relative: 0.01 }, '3.001', 3, 1],
    [numeric, 'I do not know', 3, 0],
    [regex, 'Thus\n#### 42', 42, 1],
    [regex, 'Thus 42', 42, 0],
  ] as const)('%j of %j, where %j is right', (rule, answer, right, score) => {
    expect(scoreText(rule, answer, expecting(right))).toBe(score)
  })

  it.each([
    ['B', 1],
    ['(C) because', 2],
    ['b) is wrong. The answer is A.', 0],
    ['Answer: **B**', 1],
    ['Let me think. A dog barks.\nC', 2],
    ['It must be the green one', 1],
    ['red or green', undefined],
    ['', undefined],
    ['E', undefined],
  ])('reads the choice out of %j', (answer, choice) => {
    expect(chosen(answer, ['red', 'green', 'blue'])).toBe(choice)
  })

  it('knows the right choice by position, letter and text', () => {
    for (const answer of [1, 'B', 'b', 'green'])
      expect(expecting(answer, ['red', 'green'])).toMatchObject({ choice: 1, texts: ['green'] })
    expect(() => expecting(2, ['red', 'green'])).toThrow('the answer 2 is none of its 2 choices.')
    expect(() => expecting(undefined)).toThrow('"answer" must be a text, a number or a list of those')
  })

  it('reads back any number that it is shown last', () => {
    fc.assert(
      fc.property(
        fc.double({ noNaN: true, noDefaultInfinity: true }),
        fc.constantFrom('', 'is 7: ', 'x = '),
        (number, before) => {
          expect(lastNumber(`${before}${number}`)).toBe(number === 0 ? 0 : number) // a text has no negative zero
        },
      ),
    )
  })

  it('turns marks into 0..1 and refuses others', () => {
    expect([markOf('It has 3 faults: 8/10', [0, 10]), markOf('1', [1, 5]), markOf('NaN', [0, 1])]).toEqual([
      0.8,
      0,
      Number.NaN,
    ])
    expect([markOf('11', [0, 10]), markOf('good', [0, 10]), markOf('42 out of 10', [0, 10])]).toEqual([
      undefined,
      undefined,
      undefined,
    ])
  })

  it('fills prompts with fields and lettered choices', () => {
    const fields = { question: 'Which {x}?', choices: ['red', 'green'] }
    expect(fillFields('{question}\n{choices}\nAnswer:', fields, 'here')).toBe('Which {x}?\nA. red\nB. green\nAnswer:')
  })
})
