import { describe, expect, it } from 'vitest'
import { readParquet } from '../../../src/evaluation/data/parquet.ts'
import { textsOf } from '../../../src/evaluation/data/template.ts'
import { columnMatrix } from '../../../src/evaluation/onnx/matrix.ts'
import { rejectionOf, thrownBy } from '../../helpers/thrown.ts'
import { FOLDER, fixture, golden } from './fixtures.ts'

describe('Parquet', () => {
  it.each(['none', 'snappy', 'gzip', 'zstd', 'brotli', 'lz4'])('is read as pyarrow wrote it, codec %s', async codec => {
    const records = await readParquet(fixture(`table-${codec}.parquet`), 'data.parquet')
    expect([...records.columns.keys()]).toEqual(Object.keys(golden.table))
    for (const [name, cells] of Object.entries(golden.table))
      expect(records.columns.get(name), name).toEqual(cells.map(cell => cell ?? undefined))
    expect(records.length).toBe(13)
  })

  it('keeps bytes that are not declared to be text', async () => {
    const { columns } = await readParquet(fixture('images.parquet'), 'images.parquet')
    for (const [i, name] of ['cat/a.png', 'cat/b.jpg', 'dog/c.png'].entries()) {
      expect(columns.get('raw')![i]).toEqual(fixture(`images/${name}`))
      expect(columns.get('image')![i]).toEqual({ bytes: fixture(`images/${name}`), path: name })
    }
  })

  it('says which row and column holds the wrong type', async () => {
    const records = await readParquet(fixture('table-snappy.parquet'), 'data.parquet')
    expect(thrownBy(() => columnMatrix(records, ['maybe'], new Set(), 'x'))).toBe(
      'FormatError: data.parquet: row 0, column "maybe": a number is required, found undefined.',
    )
    expect(thrownBy(() => columnMatrix(records, ['text'], new Set(), 'x'))).toMatch(
      /^FormatError: data.parquet: row 0, column "text": a number is required/,
    )
    expect(thrownBy(() => textsOf(records, 'answer'))).toBe(
      'FormatError: data.parquet: row 0, "answer": text is required, found {"key":"k0","ids":[0,1]}.',
    )
  })

  it('refuses a file that was cut short, wherever', async () => {
    const whole = fixture('table-zstd.parquet')
    for (let length = 0; length < whole.length; length += 97)
      expect(await rejectionOf(readParquet(whole.slice(0, length), 'cut.parquet')), String(length)).toMatch(
        /^FormatError: cut\.parquet cannot be read as Parquet: /,
      )
  })

  it('refuses or reads a file with a damaged byte, and throws nothing else', async () => {
    const whole = fixture('table-snappy.parquet')
    for (let at = 0; at < whole.length; at += 41) {
      const damaged = whole.slice()
      damaged[at]! ^= 0xff
      const outcome = await rejectionOf(readParquet(damaged, 'damaged.parquet'))
      expect(outcome).toMatch(/^(nothing was thrown|FormatError: damaged\.parquet )/)
    }
  })

  it('does not inflate a few bytes to 600 MB', async () => {
    const bomb = fixture('bomb.parquet')
    expect(bomb.length).toBeLessThan(2000)
    expect(await rejectionOf(readParquet(bomb, `${FOLDER}bomb.parquet`))).toBe(
      `FormatError: ${FOLDER}bomb.parquet cannot be read as Parquet: it inflates to more than 536870912 bytes.`,
    )
  })
})
