import { mkdir, symlink, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { InputFiles } from '../../../src/evaluation/data/files.ts'
import { type ImageOptions, imageSchema, readImages, readMasks } from '../../../src/evaluation/data/images.ts'
import { readParquet } from '../../../src/evaluation/data/parquet.ts'
import { readRecords } from '../../../src/evaluation/data/read-records.ts'
import type { Records } from '../../../src/evaluation/data/records.ts'
import { rejectionOf } from '../../helpers/thrown.ts'
import { decoded, FOLDER, fixture, golden, written } from './fixtures.ts'

const NAMES = ['cat/a.png', 'cat/b.jpg', 'dog/c.png']
const folder = join(FOLDER, 'images')

function options(some: Partial<ImageOptions>): ImageOptions {
  return imageSchema.parse(some)
}

function table(cells: readonly unknown[], file = join(FOLDER, 'table.csv')): Records {
  return { file, length: cells.length, columns: new Map([['image', cells]]), where: i => `table: row ${i}` }
}

async function pixels(cell: unknown, some: Partial<ImageOptions> = {}): Promise<number[]> {
  const { data } = await readImages(table([cell]), 'image', options({ layout: 'nhwc', ...some }), new InputFiles())
  return Array.from(data, value => Math.round(value * 255))
}

function furthest(found: readonly number[], wanted: ArrayLike<number>): number {
  expect(found.length).toBe(wanted.length)
  return Math.max(...found.map((value, i) => Math.abs(value - wanted[i]!)))
}

const refusal = (cell: unknown, some: Partial<ImageOptions> = {}): Promise<string> =>
  rejectionOf(readImages(table([cell]), 'image', options(some), new InputFiles()))

describe('images', () => {
  it('have the pixels that Pillow reads: PNG exactly, JPEG within the rounding of its transform', async () => {
    for (const name of NAMES) {
      const tolerance = name.endsWith('jpg') ? 2 : 0
      expect(furthest(await pixels(`images/${name}`), decoded(golden.images[name]!.rgb))).toBeLessThanOrEqual(tolerance)
      const grey = await pixels(`images/${name}`, { channels: 'grey' })
      expect(furthest(grey, decoded(golden.images[name]!.grey))).toBeLessThanOrEqual(tolerance)
    }
  })

  it('lose their alpha, and keep the colours of a palette', async () => {
    expect(await pixels('odd/alpha.png')).toEqual([...decoded(golden.images['cat/a.png']!.rgb)])
    expect(await pixels('odd/palette.png')).toEqual([...decoded(golden.palette)])
    const grey = [...decoded(golden.images['cat/a.png']!.grey)]
    expect(await pixels('odd/grey.png', { channels: 'grey' })).toEqual(grey)
    expect(await pixels('odd/grey.png')).toEqual(grey.flatMap(value => [value, value, value]))
  })

  it('are resized as Pillow does it bicubically, by both sides or the shorter one', async () => {
    for (const name of NAMES) {
      const both = await pixels(`images/${name}`, { resize: [8, 12] })
      expect(furthest(both, decoded(golden.images[name]!.resized))).toBeLessThanOrEqual(4)
      const shorter = await pixels(`images/${name}`, { resize: 10 })
      expect(furthest(shorter, decoded(golden.images[name]!.shorter))).toBeLessThanOrEqual(4)
    }
  })

  it('are cut in the middle, scaled by mean and deviation, channels first', async () => {
    const images = await readImages(
      table(['images/dog/c.png']),
      'image',
      options({ crop: [7, 5], mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] }),
      new InputFiles(),
    )
    expect(images.shape).toEqual([3, 7, 5])
    images.data.forEach((value, i) => {
      expect(value).toBeCloseTo(golden.normal[i]!, 5)
    })
  })

  it('have channels in the order and place that is asked for', async () => {
    const rgb = await pixels(`images/${NAMES[0]}`)
    const bgr = await pixels(`images/${NAMES[0]}`, { channels: 'bgr' })
    expect(bgr).toEqual(rgb.map((_, i) => rgb[i - (i % 3) + 2 - (i % 3)]))
    const first = await pixels(`images/${NAMES[0]}`, { layout: 'nchw' })
    expect(first).toEqual(rgb.map((_, i) => rgb[(i % 600) * 3 + Math.floor(i / 600)]))
  })

  it('are the same from a folder, from bytes in Parquet and from paths', async () => {
    const files = new InputFiles()
    const records = await readRecords(files, folder, 'data')
    expect(records.columns.get('class')).toEqual(['cat', 'cat', 'dog'])
    expect(records.columns.get('label')).toEqual([0, 0, 1])
    const fromFolder = await readImages(records, 'image', options({}), files)
    expect(Object.keys(files.digests())).toEqual([folder])
    const paths = table(NAMES.map(name => `images/${name}`))
    expect(await readImages(paths, 'image', options({}), new InputFiles())).toEqual(fromFolder)
    const parquet = await readParquet(fixture('images.parquet'), join(FOLDER, 'images.parquet'))
    for (const column of ['image', 'raw'])
      expect(await readImages(parquet, column, options({}), new InputFiles())).toEqual(fromFolder)
  })

  it('are refused when they lie outside, are missing, cut short or no images', async () => {
    for (const path of ['../secret.png', '/etc/hostname', 'images/../../x.png', '..'])
      expect(await refusal(path)).toBe(
        `ConfigError: table: row 0, column "image": ${JSON.stringify(path)} leads out of the folder of the data file.`,
      )
    expect(await refusal('images/none.png')).toMatch(/^ConfigError: table: row 0, .* does not exist\.$/)
    expect(await refusal(7)).toMatch(/a path or the bytes of an image are required, found 7\.$/)
    for (const name of NAMES.slice(0, 2)) {
      const whole = fixture(`images/${name}`)
      for (const length of [0, 1, 20, whole.length >> 1])
        expect(await refusal(whole.slice(0, length)), `${name} ${length}`).toMatch(
          /^FormatError: table: row 0, column "image": no image that can be read: /,
        )
    }
  })

  it('are refused when they have too many pixels or sizes that differ', async () => {
    expect(await refusal('odd/bomb.png')).toMatch(/^FormatError: .*Input image exceeds pixel limit/)
    expect(await refusal('images/cat/a.png', { crop: [21, 5] })).toBe(
      'FormatError: table: row 0, column "image": an image of 20 x 30 pixels cannot be cut to 21 x 5.',
    )
    const two = table(['images/cat/a.png', 'odd/mask.png'])
    expect(await rejectionOf(readImages(two, 'image', options({}), new InputFiles()))).toBe(
      'FormatError: table: row 1, column "image": the image has shape [3, 4, 6], the first one [3, 20, 30].',
    )
  })

  it('need as many means and deviations as channels, deviations above 0', async () => {
    expect(await refusal('images/cat/a.png', { mean: [0.5, 0.5] })).toBe(
      'ConfigError: image: "mean" has 2 numbers; one, or one for each of 3 channels of rgb, is required.',
    )
    expect(await refusal('images/cat/a.png', { std: 0 })).toBe('ConfigError: image: "std" must be above 0, found 0.')
  })
})

describe('masks', () => {
  it('are the values of an 8-bit grey image', async () => {
    const { shape, data } = await readMasks(table(['odd/mask.png']), 'image', undefined, new InputFiles())
    expect(shape).toEqual([4, 6])
    expect([...data]).toEqual(Array.from({ length: 24 }, (_, i) => i % 5))
    const larger = await readMasks(table(['odd/mask.png']), 'image', [8, 12], new InputFiles())
    expect([...larger.data]).toEqual(
      Array.from({ length: 96 }, (_, i) => ((i / 24) | 0) * 6 + (((i % 12) / 2) | 0)).map(v => v % 5),
    )
  })

  it('are refused where decoding would change the classes', async () => {
    const found = (path: string): Promise<string> =>
      rejectionOf(readMasks(table([path]), 'image', undefined, new InputFiles()))
    expect(await found('odd/palette.png')).toMatch(/one class each, are required; found a palette\.$/)
    expect(await found('odd/mask-1bit.png')).toMatch(/found 1 bits\.$/)
    expect(await found('odd/grey16.png')).toMatch(/found 16 bits\.$/)
    expect(await found('images/cat/a.png')).toMatch(/are required; pixel 0 is \d+,\d+,\d+\.$/)
  })
})

describe('folders of images', () => {
  it('take splits from the folders above the classes', async () => {
    const root = dirname(await written('note.txt', ''))
    for (const path of ['search/b/1.png', 'search/a/2.png', 'holdout/b/3.png']) {
      await mkdir(dirname(join(root, path)), { recursive: true })
      await writeFile(join(root, path), fixture('images/cat/a.png'))
    }
    const { columns } = await readRecords(new InputFiles(), root, 'data')
    expect(columns.get('split')).toEqual(['holdout', 'search', 'search'])
    expect(columns.get('label')).toEqual([1, 0, 1])
  })

  it('without images are refused, and links to other folders are not followed', async () => {
    const root = dirname(await written('note.txt', ''))
    await symlink(join(FOLDER, 'images', 'cat'), join(root, 'cat'))
    expect(await rejectionOf(readRecords(new InputFiles(), root, 'data'))).toMatch(
      /^FormatError: .* has no images; one folder per class is required/,
    )
  })
})
