import { readFileSync } from 'node:fs'
import { gunzipSync, gzipSync } from 'node:zlib'
import type { Rng } from 'amalgam'
import { type Example, shuffled } from './network.ts'

/** The digits, split once, as three tasks. */

export const SPLITS = ['train', 'search', 'select', 'holdout'] as const
export type Split = (typeof SPLITS)[number]
/** Where each split ends, as a share of a digit's images. */
const SPLIT_ENDS = { train: 0.4, search: 0.6, select: 0.72, holdout: 1 } as const

export const TASKS = ['low', 'high', 'shifted'] as const
export type Task = (typeof TASKS)[number]

export interface Row {
  readonly pixels: readonly number[] // (64,), 0..16, row by row
  readonly label: number // 0..9
  readonly split: Split
}

/** Standard deviation of the noise on shifted images, in pixel values. */
const NOISE = 1

export function loadDigits(file: string): readonly Omit<Row, 'split'>[] {
  const text = gunzipSync(readFileSync(file)).toString('utf8').trim()
  return text.split('\n').map(line => {
    const values = line.split(',').map(Number)
    return { pixels: values.slice(0, 64), label: values[64]! }
  })
}

/** Stratified: the images of each digit are shuffled and cut at the same shares. */
export function splitDigits(digits: readonly Omit<Row, 'split'>[], rng: Rng): readonly Row[] {
  const splits: Split[] = new Array(digits.length)
  for (let digit = 0; digit <= 9; digit++) {
    const images = digits.flatMap(({ label }, i) => (label === digit ? [i] : []))
    shuffled(images.length, rng).forEach((image, rank) => {
      splits[images[image]!] = SPLITS.find(split => (rank + 0.5) / images.length < SPLIT_ENDS[split])!
    })
  }
  return digits.map((row, i) => ({ ...row, split: splits[i]! }))
}

/**
 * `low`: the digits 0-4; `high`: 5-9; `shifted`: all ten, turned by 90° and noisy. A shifted image keeps the split of the image
 * it was made from, so that nothing leaks.
 */
export function makeTasks(rows: readonly Row[], rng: Rng): Readonly<Record<Task, readonly Row[]>> {
  return {
    low: rows.filter(({ label }) => label <= 4),
    high: rows.filter(({ label }) => label >= 5),
    shifted: rows.map(row => ({ ...row, pixels: addNoise(turn(row.pixels), rng) })),
  }
}

/** A quarter turn clockwise of an 8 × 8 image. */
function turn(pixels: readonly number[]): number[] {
  return pixels.map((_, i) => pixels[(7 - (i % 8)) * 8 + (i >> 3)]!)
}

function addNoise(pixels: readonly number[], rng: Rng): number[] {
  return pixels.map(value => Math.min(16, Math.max(0, Math.round(value + NOISE * rng.normal()))))
}

export function examplesOf(rows: readonly Row[], split: Split): readonly Example[] {
  return rows
    .filter(row => row.split === split)
    .map(({ pixels, label }) => ({ x: Float64Array.from(pixels, value => value / 16), y: label }))
}

/** Gzip without a time stamp, so that equal rows give equal bytes. */
export function encodeCsv(rows: readonly Row[]): Uint8Array {
  const header = [...Array.from({ length: 64 }, (_, i) => `p${i}`), 'label', 'split'].join(',')
  const lines = rows.map(({ pixels, label, split }) => [...pixels, label, split].join(','))
  return gzipSync(`${[header, ...lines].join('\n')}\n`, { level: 9 })
}
