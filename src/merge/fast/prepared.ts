import { createHash } from 'node:crypto'
import { MergeError } from '../../errors.ts'
import type { Arena } from '../layout.ts'

/**
 * What operators prepare of the sources: task vectors as an operator shapes them, tables, matrices. Made once per machine in memory that
 * threads share, by the first that needs it; when an arena is full, what was used least recently makes room.
 *
 * All of it is a function of the sources and of the key, so that neither the size of the memory nor other threads change a result.
 */
export interface PreparedMemory {
  /** By bank. */
  readonly arenas: readonly Arena[]
  /** The directory, see {@link Prepared}. */
  readonly directory: SharedArrayBuffer
}

/** Entries that are known at once; a model has some hundreds of tensors. */
const ENTRIES = 1 << 16
/** Entries that a thread uses at once: one, and one more that it is built from. */
const PINS_PER_THREAD = 2

// The directory in int32: [head][pins: some per thread][entries].
const LOCK = 0
const CHANGES = 1 // counts; waited for
const CLOCK = 2
const USED = 3 // entries up to here may be in use
const PINS = 16

// An entry: state, the four words of its key, bank, first unit and units in its arena, when it was last used, its builder.
const STATE = 0
const KEY = 1
const BANK = 5
const AT = 6
const UNITS = 7
const STAMP = 8
const BUILDER = 9
const FIELDS = 10

const FREE = 0
const BUILDING = 1
const READY = 2

/** Places are multiples of this many bytes. */
const UNIT = 64
const NO_PLACE = -1
/** How long to wait for a thread that says nothing: after that it has died, or will not answer in time. */
const PATIENCE_MS = 30 * 60_000

export function createPreparedMemory(arenas: readonly Arena[], threads: number): PreparedMemory {
  return { arenas, directory: new SharedArrayBuffer((PINS + threads * PINS_PER_THREAD + ENTRIES * FIELDS) * 4) }
}

/** Bytes of all that is prepared at the moment. */
export function preparedBytes({ directory }: PreparedMemory): number {
  const words = new Int32Array(directory)
  const entries = words.length - ENTRIES * FIELDS
  let units = 0
  for (let e = 0; e < words[USED]!; e++) {
    const entry = entries + e * FIELDS
    if (words[entry + STATE] === READY) units += words[entry + UNITS]!
  }
  return units * UNIT
}

/** The prepared memory as one thread uses it: one entry at a time, and inside its use or building one more. */
export class Prepared {
  readonly #arenas: readonly Arena[]
  readonly #words: Int32Array
  readonly #thread: number
  readonly #pins: number
  readonly #entries: number
  /** How many entries are in use. */
  #depth = 0
  /** Where an entry was seen last. */
  readonly #seen = new Map<string, number>()
  readonly #keys = new Map<string, Int32Array>()

  /** @param thread Its index, which no other living thread has. */
  constructor({ arenas, directory }: PreparedMemory, thread: number, threads: number) {
    this.#arenas = arenas
    this.#words = new Int32Array(directory)
    this.#thread = thread
    this.#pins = PINS + thread * PINS_PER_THREAD
    this.#entries = PINS + threads * PINS_PER_THREAD
    this.#locked(() => this.#abandon())
  }

  /**
   * Calls `use` with the address of an entry, which stays until `use` returns. Inside, one more may be asked for, if that needs no other:
   * threads that build wait for each other in one direction only.
   * @param key says everything that decides the content, the bank aside
   * @param bytes of the entry; always the same for a key
   * @param build fills it in; called where no thread has the entry
   * @throws {MergeError} where the arena is smaller than the entry; whatever `build` and `use` throw
   */
  borrow<T>(bank: number, key: string, bytes: number, build: (at: number) => void, use: (at: number) => T): T {
    return this.#use(this.#acquire(bank, key, unitsOf(bytes), 0, 'any')!, unitsOf(bytes), build, use)
  }

  /**
   * As `borrow`, but nothing makes room for it: where the arena has no free place, there is no result. For what is of use but can be
   * done without.
   * @param scratch bytes behind the entry that `build` may write to; others have them afterwards
   * @param build undefined: only if the entry is there
   */
  borrowSpare<T>(
    bank: number,
    key: string,
    bytes: number,
    scratch: number,
    build: ((at: number) => void) | undefined,
    use: (at: number) => T,
  ): T | undefined {
    const units = unitsOf(bytes)
    const wanted = build === undefined ? 'ready' : 'spare'
    const entry = this.#acquire(bank, key, units, Math.ceil(scratch / UNIT), wanted)
    return entry === undefined ? undefined : this.#use(entry, units, build ?? (() => {}), use)
  }

  #use<T>(entry: number, units: number, build: (at: number) => void, use: (at: number) => T): T {
    const words = this.#words
    const bank = words[entry + BANK]!
    const at = this.#arenas[bank]!.at + words[entry + AT]! * UNIT
    try {
      if (words[entry + STATE] === BUILDING) {
        build(at)
        this.#locked(() => {
          words[entry + UNITS] = units
          words[entry + STATE] = READY
        })
      }
      return use(at)
    } finally {
      this.#locked(() => {
        if (words[entry + STATE] === BUILDING) words[entry + STATE] = FREE // it could not be built
        words[this.#pins + --this.#depth] = 0
      })
    }
  }

  /** Whether an entry of that size fits into the arena at all. */
  fits(bank: number, bytes: number): boolean {
    return bytes <= this.#arenas[bank]!.bytes
  }

  /**
   * An entry that is pinned: READY, or BUILDING by this thread.
   * @param wanted any place; a spare one; or the entry only if it is READY
   * @returns undefined where what is wanted is not to be had
   */
  #acquire(
    bank: number,
    key: string,
    units: number,
    scratch: number,
    wanted: 'any' | 'spare' | 'ready',
  ): number | undefined {
    if (this.#depth === PINS_PER_THREAD)
      throw new RangeError(`A thread uses ${PINS_PER_THREAD} prepared entries at once.`)
    const words = this.#words
    const hash = this.#hashOf(key)
    const name = `${bank} ${key}`
    const end = performance.now() + PATIENCE_MS
    for (;;) {
      const changes = Atomics.load(words, CHANGES)
      const found = this.#locked(() => {
        const known = this.#find(bank, hash, this.#seen.get(name))
        if (wanted === 'ready' && (known === undefined || words[known + STATE] !== READY)) return NO_PLACE
        const entry = known ?? this.#place(bank, hash, units + scratch, wanted === 'any')
        if (entry === undefined) return wanted === 'any' ? undefined : NO_PLACE
        this.#remember(name, entry)
        if (words[entry + STATE] === BUILDING && words[entry + BUILDER] !== this.#thread) return undefined
        words[entry + STAMP] = ++words[CLOCK]!
        words[this.#pins + this.#depth++] = entry
        return entry
      })
      if (found === NO_PLACE) return undefined
      if (found !== undefined) return found
      if (performance.now() > end) {
        throw new MergeError('Another thread did not finish preparing a tensor in half an hour.')
      }
      Atomics.wait(words, CHANGES, changes, 1000)
    }
  }

  #find(bank: number, hash: Int32Array, seen: number | undefined): number | undefined {
    if (seen !== undefined && this.#is(seen, bank, hash)) return seen
    for (let e = 0; e < this.#words[USED]!; e++) {
      const entry = this.#entries + e * FIELDS
      if (this.#is(entry, bank, hash)) return entry
    }
    return undefined
  }

  #is(entry: number, bank: number, hash: Int32Array): boolean {
    const words = this.#words
    if (words[entry + STATE] === FREE || words[entry + BANK] !== bank) return false
    return hash.every((word, k) => words[entry + KEY + k] === word)
  }

  /** A new entry, BUILDING; others are evicted for it, the longest unused first, if they may be. `undefined`: those in the way stay. */
  #place(bank: number, hash: Int32Array, units: number, evict: boolean): number | undefined {
    const words = this.#words
    const capacity = Math.floor(this.#arenas[bank]!.bytes / UNIT)
    if (units > capacity) {
      if (!evict) return undefined
      throw new MergeError(
        `Preparing a tensor takes ${units * UNIT} bytes, and its bank has ${capacity * UNIT} for that.`,
      )
    }
    const pinned = new Set(words.subarray(PINS, this.#entries))
    const own: number[] = []
    let free: number | undefined
    for (let e = 0; e < words[USED]!; e++) {
      const entry = this.#entries + e * FIELDS
      if (words[entry + STATE] === FREE) free ??= entry
      else if (words[entry + BANK] === bank) own.push(entry)
    }
    if (free === undefined && words[USED]! < ENTRIES) free = this.#entries + words[USED]!++ * FIELDS
    const movable = own
      .filter(entry => words[entry + STATE] === READY && !pinned.has(entry))
      .sort((a, b) => words[a + STAMP]! - words[b + STAMP]!)
    own.sort((a, b) => words[a + AT]! - words[b + AT]!)
    for (;;) {
      const at = free === undefined ? undefined : this.#hole(own, units, capacity)
      if (at !== undefined) {
        words.set([BUILDING, ...hash, bank, at, units, 0, this.#thread], free!)
        return free
      }
      const oldest = evict ? movable.shift() : undefined
      if (oldest === undefined) return undefined
      words[oldest + STATE] = FREE
      free ??= oldest
      own.splice(own.indexOf(oldest), 1)
    }
  }

  /** The first gap between entries, which are in the order of their places. */
  #hole(entries: readonly number[], units: number, capacity: number): number | undefined {
    let at = 0
    for (const entry of entries) {
      if (this.#words[entry + AT]! - at >= units) return at
      at = this.#words[entry + AT]! + this.#words[entry + UNITS]!
    }
    return capacity - at >= units ? at : undefined
  }

  /** What an earlier thread of this index left when it died. */
  #abandon(): void {
    const words = this.#words
    words.fill(0, this.#pins, this.#pins + PINS_PER_THREAD)
    for (let e = 0; e < words[USED]!; e++) {
      const entry = this.#entries + e * FIELDS
      if (words[entry + STATE] === BUILDING && words[entry + BUILDER] === this.#thread) words[entry + STATE] = FREE
    }
  }

  #remember(name: string, entry: number): void {
    if (this.#seen.size >= ENTRIES) this.#seen.clear()
    this.#seen.set(name, entry)
  }

  #hashOf(key: string): Int32Array {
    const known = this.#keys.get(key)
    if (known !== undefined) return known
    const digest = createHash('sha256').update(key).digest()
    const hash = Int32Array.from({ length: 4 }, (_, k) => digest.readInt32LE(k * 4))
    if (this.#keys.size >= ENTRIES) this.#keys.clear()
    this.#keys.set(key, hash)
    return hash
  }

  /** Short work on the directory, one thread at a time; tells those that wait for a change. */
  #locked<T>(work: () => T): T {
    const words = this.#words
    while (Atomics.compareExchange(words, LOCK, 0, 1) !== 0) Atomics.wait(words, LOCK, 1, 100)
    try {
      return work()
    } finally {
      Atomics.store(words, LOCK, 0)
      Atomics.notify(words, LOCK, 1)
      Atomics.add(words, CHANGES, 1)
      Atomics.notify(words, CHANGES)
    }
  }
}

function unitsOf(bytes: number): number {
  return Math.max(1, Math.ceil(bytes / UNIT))
}
