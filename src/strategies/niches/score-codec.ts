import { decodeFloat32, encodeFloat32 } from '../../numerics/float-codec.ts'

/** Scores as short text: a bit each where all are 0 or 1, as right and wrong answers are; float32 otherwise. */
export function encodeScores(scores: Float32Array): string {
  if (!scores.every(score => score === 1 || Object.is(score, 0))) return `f${encodeFloat32(scores)}`
  const bytes = new Uint8Array(Math.ceil(scores.length / 8))
  scores.forEach((score, j) => {
    if (score === 1) bytes[j >> 3]! |= 1 << (j & 7)
  })
  return `b${scores.length}:${Buffer.from(bytes).toString('base64')}`
}

/** @throws {RangeError} for any other text. */
export function decodeScores(text: string): Float32Array {
  if (text.startsWith('f')) return decodeFloat32(text.slice(1))
  const match = /^b(\d{1,9}):/.exec(text)
  const length = Number(match?.[1])
  const bytes = Buffer.from(text.slice(match?.[0].length), 'base64')
  if (match === null || bytes.length !== Math.ceil(length / 8))
    throw new RangeError('Expected scores as bits or float32.')
  return Float32Array.from({ length }, (_, j) => (bytes[j >> 3]! >> (j & 7)) & 1)
}
