/** Items per block before it is split in two: a splice of so many pointers costs about as much as finding the block. */
const BLOCK_LIMIT = 512

/** A place in a {@link SortedBlocks}: the item it points at, or the end. Valid until the next change. */
export interface Place {
  readonly block: number
  readonly index: number
}

/**
 * A sorted sequence in blocks of bounded size: O(log n) to find, and insertion moves one block instead of all n items (with
 * 100,000 items in one array a splice took 0.1 ms).
 */
export class SortedBlocks<T> implements Iterable<T> {
  readonly #blocks: T[][] = [] // none of them empty
  #size = 0

  get size(): number {
    return this.#size
  }

  *[Symbol.iterator](): Iterator<T> {
    for (const block of this.#blocks) yield* block
  }

  /** The place of the first item that does not come before: `isBefore` is true for a first part of the sequence, false for the rest. */
  seek(isBefore: (item: T) => boolean): Place {
    const block = partition(this.#blocks, items => isBefore(items[items.length - 1]!))
    return { block, index: block === this.#blocks.length ? 0 : partition(this.#blocks[block]!, isBefore) }
  }

  at(place: Place): T | undefined {
    return this.#blocks[place.block]?.[place.index]
  }

  /** The item before a place. */
  before(place: Place): T | undefined {
    return place.index > 0 ? this.#blocks[place.block]?.[place.index - 1] : this.#blocks[place.block - 1]?.at(-1)
  }

  insert(place: Place, item: T): void {
    this.#size++
    // At the end of all blocks the last one grows, if there is one.
    const atEnd = place.block === this.#blocks.length && place.block > 0
    const at = atEnd ? place.block - 1 : place.block
    const block = this.#blocks[at]
    if (block === undefined) {
      this.#blocks.push([item])
      return
    }
    block.splice(atEnd ? block.length : place.index, 0, item)
    if (block.length > BLOCK_LIMIT) this.#blocks.splice(at + 1, 0, block.splice(block.length >>> 1))
  }

  replace(place: Place, item: T): void {
    const block = this.#blocks[place.block]
    if (block === undefined || place.index >= block.length) throw new RangeError('Expected a place that holds an item.')
    block[place.index] = item
  }

  /** Removes the items from a place on for as long as `doomed` holds (`stopEarly`), or every one for which it holds. Returns them. */
  removeFrom(place: Place, doomed: (item: T) => boolean, stopEarly: boolean): T[] {
    const removed: T[] = []
    const first = this.at(place)
    if (stopEarly && (first === undefined || !doomed(first))) return removed // most adds remove nothing, and copy nothing
    let { block, index } = place
    while (block < this.#blocks.length) {
      const items = this.#blocks[block]!
      const kept = items.slice(0, index)
      let stopped = false
      for (let i = index; i < items.length; i++) {
        if (!stopped && doomed(items[i]!)) removed.push(items[i]!)
        else {
          stopped = stopEarly
          kept.push(items[i]!)
        }
      }
      if (kept.length === 0) this.#blocks.splice(block, 1)
      else if (kept.length < items.length) this.#blocks[block++] = kept
      else block++
      if (stopped) break
      index = 0
    }
    this.#size -= removed.length
    return removed
  }
}

/** The number of items for which `isBefore` holds, where they all come first. */
function partition<T>(items: readonly T[], isBefore: (item: T) => boolean): number {
  let low = 0
  let high = items.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (isBefore(items[middle]!)) low = middle + 1
    else high = middle
  }
  return low
}
