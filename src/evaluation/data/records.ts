import { ConfigError, nearest, show } from '../../errors.ts'
import type { NpyArray } from '../../formats/npy.ts'

/** Named columns of records read from a file. */
export interface Records {
  readonly file: string
  readonly length: number
  readonly columns: ReadonlyMap<string, readonly unknown[]>
  /** Columns that are whole arrays, one row per record. */
  readonly arrays?: ReadonlyMap<string, NpyArray>
  /** Name of a record for messages. */
  where(record: number): string
}

/** Cells of a column. @throws {ConfigError} when there is none of that name */
export function columnOf({ columns, file }: Records, name: string): readonly unknown[] {
  const column = columns.get(name)
  if (column !== undefined) return column
  const near = nearest(name, columns.keys())
  throw new ConfigError(`${file} has no column ${show(name)}; it has ${show([...columns.keys()].join(', '), 120)}.`, {
    ...(near === undefined ? {} : { hint: `Did you mean ${show(near)}?` }),
  })
}
