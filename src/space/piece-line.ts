import { MergeError, show } from '../errors.ts'
import { indexLayers, layerOf } from './layer-groups.ts'

/**
 * All weights of a model one after another, so that a piece of the model is a stretch of this line: tensors before the numbered layers, then layer by
 * layer, then those after; by name inside each, numbers in names by their size; the elements of a tensor in row-major order.
 */
export interface PieceLine {
  /** In the order of the line; tensors without elements are not on it. */
  readonly tensors: readonly LineTensor[]
  readonly elements: number
}

export interface LineTensor {
  readonly name: string
  readonly elements: number
  /** Position of its first element. */
  readonly start: number
}

export function createPieceLine(tensors: readonly { readonly name: string; readonly elements: number }[]): PieceLine {
  const index = indexLayers(tensors.map(({ name }) => name))
  const depthOf = (name: string): number => {
    const place = layerOf(name, index)
    return place === 'pre' ? -1 : place === 'post' ? Number.POSITIVE_INFINITY : place
  }
  const ordered = tensors
    .filter(({ elements }) => elements > 0)
    .map(({ name, elements }) => ({ name, elements, depth: depthOf(name) }))
    .sort((a, b) => (a.depth === b.depth ? naturalOrder(a.name, b.name) : a.depth - b.depth))
  let start = 0
  const placed = ordered.map(({ name, elements }) => {
    const tensor = { name, elements, start }
    start += elements
    return tensor
  })
  return { tensors: placed, elements: start }
}

/** By code units, but runs of digits by their value. */
export function naturalOrder(a: string, b: string): number {
  const [x, y] = [a, b].map(name => name.split(/(\d+)/))
  for (let i = 0; i < Math.min(x!.length, y!.length); i++) {
    const [u, v] = [x![i]!, y![i]!]
    if (u === v) continue
    const difference = i % 2 === 1 ? Number(u) - Number(v) : 0 // odd parts are the digits
    return difference !== 0 ? difference : u < v ? -1 : 1
  }
  return x!.length - y!.length
}

/** @throws {MergeError} if there is no such tensor or element. */
export function positionOf(
  line: PieceLine,
  { tensor: name, element }: { readonly tensor: string; readonly element: number },
): number {
  const tensor = line.tensors.find(candidate => candidate.name === name)
  if (tensor === undefined)
    throw new MergeError(`A piece begins in tensor ${show(name)}, which the models do not have.`)
  if (!(element < tensor.elements)) {
    throw new MergeError(`A piece begins at element ${element} of tensor ${show(name)}, which has ${tensor.elements}.`)
  }
  return tensor.start + element
}

/** The tensor and element at a position of the line. */
export function placeAt(line: PieceLine, position: number): { readonly tensor: string; readonly element: number } {
  const { name, start } = line.tensors.findLast(tensor => tensor.start <= position)!
  return { tensor: name, element: position - start }
}

/** Positions at which a piece can begin or end, at most: what a run records grows with them, 4 bytes for each pair of sources. */
const CELLS = 4096

/**
 * The cells that breakpoints lie between: their ends on the line, ascending. Every tensor ends a cell; `inside` them there are others as evenly
 * spaced as whole elements allow, 4096 cells in all, unless there are more tensors than that.
 */
export function cellEnds({ tensors, elements }: PieceLine, inside: boolean): readonly number[] {
  const room = CELLS - tensors.length
  const step = inside && room > 0 ? Math.ceil(elements / room) : Number.POSITIVE_INFINITY
  return tensors.flatMap(({ start, elements: count }) => {
    const cells = Math.ceil(count / Math.min(step, count))
    return Array.from({ length: cells }, (_, k) => start + Math.round(((k + 1) * count) / cells))
  })
}
