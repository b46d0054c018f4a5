import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { InputFiles } from '../../../src/evaluation/data/files.ts'
import { readRecords } from '../../../src/evaluation/data/read-records.ts'
import { readTokenizer } from '../../../src/evaluation/data/tokenizer.ts'
import { rejectionOf } from '../../helpers/thrown.ts'
import { FOLDER, golden, written } from './fixtures.ts'

describe('tokenizer.json', () => {
  it.each(Object.keys(golden.tokenizers))('%s gives the ids of the Python tokenizers library', async name => {
    const path = join(FOLDER, `${name}.tokenizer.json`)
    const wanted = golden.tokenizers[name]!
    const plain = await readTokenizer(new InputFiles(), path, false, 'tokenizer')
    const special = await readTokenizer(new InputFiles(), path, true, 'tokenizer')
    for (const [i, text] of golden.texts.entries()) {
      expect(plain.encode(text), text).toEqual(wanted.plain[i])
      expect(special.encode(text), text).toEqual(wanted.special[i])
      expect(plain.decode(wanted.plain[i]!), text).toBe(wanted.decoded[i])
    }
    expect(plain.size).toBe(wanted.size)
    expect(plain.encode('')).toEqual([])
  })

  it('says what is no tokenizer', async () => {
    const read = async (content: string): Promise<string> => {
      const path = await written('tokenizer.json', content)
      return (await rejectionOf(readTokenizer(new InputFiles(), path, false, 'tokenizer'))).replace(path, 'FILE')
    }
    expect(await read('{"model": ')).toMatch(/^FormatError: FILE is no JSON: /)
    expect(await read('[1]')).toMatch(/^FormatError: /)
    for (const text of ['{}', '{"model":{}}', '{"model":{"type":"BPE"}}', '{"model":{"type":"Rune","vocab":{}}}'])
      expect(await read(text), text).toMatch(/^FormatError: tokenizer FILE cannot be used: /)
  })
})

describe('.txt', () => {
  it('has a record for each line that is not empty', async () => {
    const path = await written('lines.txt', 'one\r\n\n  two \nthrée')
    const records = await readRecords(new InputFiles(), path, 'data')
    expect(records.columns.get('text')).toEqual(['one', '  two ', 'thrée'])
    expect(records.where(1)).toBe(`${path}: line 3`)
  })

  it('loses no byte order mark into the first text', async () => {
    const records = await readRecords(new InputFiles(), await written('lines.txt', '\ufeffone\n'), 'data')
    expect(records.columns.get('text')).toEqual(['one'])
  })

  it('refuses other encodings, empty files and unknown endings', async () => {
    const outcome = async (name: string, content: string | Uint8Array): Promise<string> => {
      const path = await written(name, content)
      return (await rejectionOf(readRecords(new InputFiles(), path, 'data file'))).replaceAll(path, 'FILE')
    }
    expect(await outcome('a.txt', Uint8Array.from([0xe9, 0x0a]))).toBe('FormatError: FILE is not UTF-8 text.')
    expect(await outcome('a.txt', '\n \n')).toBe('FormatError: FILE is empty.')
    expect(await outcome('a.xlsx', 'x')).toMatch(/^ConfigError: data file .* ends in ".xlsx"; records are read from /)
    expect(await outcome('a.txt.gz', 'no gzip')).toMatch(/^FormatError: data file .* is no valid gzip file/)
  })
})
