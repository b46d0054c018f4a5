import { dirname, resolve, sep } from 'node:path'
import { z } from 'zod'
import { ConfigError, FormatError, show } from '../../errors.ts'
import type { InputFiles } from './files.ts'
import { columnOf, type Records } from './records.ts'

/** Larger ones are no photographs of a data set, but bombs. */
const PIXEL_LIMIT = 1 << 26
/** All images of a column are held in memory, by every worker: 8 GiB of float32. */
const VALUE_LIMIT = 2 ** 31

const size = z.tuple([z.int().min(1).max(16_384), z.int().min(1).max(16_384)])
const perChannel = z.union([z.number(), z.array(z.number()).min(1).max(3)])

/** How an image becomes numbers: decoded, resized, cut, as fractions of 255, minus `mean`, by `std`. */
export const imageSchema = z.strictObject({
  resize: z
    .union([size, z.int().min(1).max(16_384)])
    .optional()
    .describe('[height, width], or the length of the shorter side; bicubic.'),
  crop: size.optional().describe('[height, width] cut out of the middle, after resizing.'),
  channels: z.enum(['grey', 'rgb', 'bgr']).default('rgb').describe('One channel, or three and their order.'),
  mean: perChannel.default(0).describe('Subtracted from values 0..1: a number, or one per channel in that order.'),
  std: perChannel.default(1).describe('Divides what is left: a number, or one per channel.'),
  layout: z.enum(['nchw', 'nhwc']).default('nchw').describe('nchw: channels first. nhwc: channels last.'),
})
export type ImageOptions = z.infer<typeof imageSchema>

export interface Images {
  /** Of one image. */
  readonly shape: readonly number[]
  /** Row-major, (n, ...shape). */
  readonly data: Float32Array
}

/**
 * Reads the images of a column: paths, relative to the folder of the data file, or the files' bytes.
 * @throws {FormatError} on what is no image, or images of different sizes; {@link ConfigError} on a path that leads out of the folder
 */
export async function readImages(
  records: Records,
  column: string,
  options: ImageOptions,
  files: InputFiles,
): Promise<Images> {
  const cells = columnOf(records, column)
  checkScale(options)
  let shape: readonly number[] = []
  let data = new Float32Array(0)
  for (const [i, cell] of cells.entries()) {
    const where = `${records.where(i)}, column ${show(column)}`
    const image = await decode(await imageBytes(cell, records, where, files), options, where)
    if (i === 0) {
      shape = image.shape
      data = allocate(cells.length, image.data.length, where)
    } else if (image.shape.join() !== shape.join())
      throw new FormatError(
        `${where}: the image has shape [${image.shape.join(', ')}], the first one [${shape.join(', ')}].`,
        { hint: 'Set "resize", or "resize" and "crop", of the image.' },
      )
    data.set(image.data, i * image.data.length)
  }
  return { shape, data }
}

/** Classes of pixels: the values of a grey image as they are, shape [height, width]. Resized without mixing. */
export async function readMasks(
  records: Records,
  column: string,
  resize: readonly [number, number] | undefined,
  files: InputFiles,
): Promise<Images> {
  const cells = columnOf(records, column)
  const sharp = await loadSharp()
  let shape: readonly number[] = []
  let data = new Float32Array(0)
  for (const [i, cell] of cells.entries()) {
    const where = `${records.where(i)}, column ${show(column)}`
    const bytes = await imageBytes(cell, records, where, files)
    const { values, height, width } = await attempt(where, async () => {
      let image = sharp(bytes, { limitInputPixels: PIXEL_LIMIT, ignoreIcc: true })
      const { bitsPerSample = 8, isPalette } = await image.metadata()
      if (isPalette || bitsPerSample !== 8)
        throw new Error(
          `8-bit grey values, one class each, are required; found ${isPalette ? 'a palette' : `${bitsPerSample} bits`}`,
        )
      image = image.removeAlpha().toColourspace('srgb')
      if (resize !== undefined) image = image.resize(resize[1], resize[0], { fit: 'fill', kernel: 'nearest' })
      const { data: rgb, info } = await image.raw().toBuffer({ resolveWithObject: true })
      return { values: greyValues(rgb), height: info.height, width: info.width }
    })
    if (i === 0) {
      shape = [height, width]
      data = allocate(cells.length, values.length, where)
    } else if (shape[0] !== height || shape[1] !== width)
      throw new FormatError(
        `${where}: the mask has shape [${height}, ${width}], the first one [${shape.join(', ')}].`,
        { hint: 'Set "resize" of the mask.' },
      )
    data.set(values, i * values.length)
  }
  return { shape, data }
}

/** Many programs write grey images as colours of three equal values. */
function greyValues(rgb: Uint8Array): Uint8Array {
  const values = new Uint8Array(rgb.length / 3)
  for (let i = 0; i < values.length; i++) {
    values[i] = rgb[3 * i]!
    if (values[i] !== rgb[3 * i + 1] || values[i] !== rgb[3 * i + 2])
      throw new Error(
        `8-bit grey values, one class each, are required; pixel ${i} is ${rgb.subarray(3 * i, 3 * i + 3).join()}`,
      )
  }
  return values
}

/** A column that holds images rather than numbers. */
export function holdsImages(cell: unknown): boolean {
  return typeof cell === 'string' || cell instanceof Uint8Array || bytesMember(cell) !== undefined
}

async function imageBytes(cell: unknown, records: Records, where: string, files: InputFiles): Promise<Uint8Array> {
  const bytes = cell instanceof Uint8Array ? cell : bytesMember(cell)
  if (bytes !== undefined) return bytes
  if (typeof cell !== 'string' || cell === '')
    throw new FormatError(`${where}: a path or the bytes of an image are required, found ${show(cell)}.`)
  const isFolder = cell.startsWith(records.file + sep) // an image folder names its files in full
  const folder = resolve(isFolder ? records.file : dirname(records.file))
  const path = resolve(folder, cell)
  if (!path.startsWith(folder.endsWith(sep) ? folder : folder + sep))
    throw new ConfigError(`${where}: ${show(cell)} leads out of the folder of the data file.`, {
      hint: 'Paths of images are relative to the data file; put the images beside it.',
    })
  return files.readPart(path, where, records.file)
}

/** Hugging Face's data sets keep images as `{bytes, path}`. */
function bytesMember(cell: unknown): Uint8Array | undefined {
  if (typeof cell !== 'object' || cell === null || !('bytes' in cell)) return undefined
  return cell.bytes instanceof Uint8Array ? cell.bytes : undefined
}

async function decode(
  bytes: Uint8Array,
  { resize, crop, channels, mean, std, layout }: ImageOptions,
  where: string,
): Promise<Images> {
  const sharp = await loadSharp()
  const count = channels === 'grey' ? 1 : 3
  const { values, height, width } = await attempt(where, async () => {
    let image = sharp(bytes, { limitInputPixels: PIXEL_LIMIT, ignoreIcc: true }).removeAlpha().toColourspace('srgb')
    if (typeof resize === 'number') image = image.resize(resize, resize, { fit: 'outside', kernel: 'cubic' })
    else if (resize !== undefined) image = image.resize(resize[1], resize[0], { fit: 'fill', kernel: 'cubic' })
    const raw = await image.raw().toBuffer({ resolveWithObject: true })
    if (raw.info.channels !== 3) throw new Error(`it has ${raw.info.channels} channels instead of 3`)
    return { values: raw.data, height: raw.info.height, width: raw.info.width }
  })
  const [h, w] = crop ?? [height, width]
  if (h > height || w > width)
    throw new FormatError(`${where}: an image of ${height} x ${width} pixels cannot be cut to ${h} x ${w}.`)
  const [top, left] = [Math.floor((height - h) / 2), Math.floor((width - w) / 2)]
  const data = new Float32Array(count * h * w)
  for (let c = 0; c < count; c++) {
    const sample = SAMPLES[channels](c)
    const [m, s] = [channelOf(mean, c), channelOf(std, c)]
    for (let y = 0; y < h; y++)
      for (let x = 0; x < w; x++) {
        const value = sample(values, ((top + y) * width + left + x) * 3) / 255
        data[layout === 'nchw' ? (c * h + y) * w + x : (y * w + x) * count + c] = (value - m) / s
      }
  }
  return { shape: layout === 'nchw' ? [count, h, w] : [h, w, count], data }
}

/** Value 0..255 of a channel, of the pixel whose red is at `at`. Grey is Pillow's and OpenCV's: ITU-R BT.601 luma, rounded. */
const SAMPLES: Readonly<
  Record<ImageOptions['channels'], (channel: number) => (rgb: Uint8Array, at: number) => number>
> = {
  grey: () => (rgb, at) => (19_595 * rgb[at]! + 38_470 * rgb[at + 1]! + 7_471 * rgb[at + 2]! + 0x8000) >> 16,
  rgb: channel => (rgb, at) => rgb[at + channel]!,
  bgr: channel => (rgb, at) => rgb[at + 2 - channel]!,
}

function checkScale({ channels, mean, std }: ImageOptions): void {
  const count = channels === 'grey' ? 1 : 3
  for (const [name, value] of Object.entries({ mean, std }))
    if (typeof value !== 'number' && value.length !== 1 && value.length !== count)
      throw new ConfigError(
        `image: "${name}" has ${value.length} numbers; one, or one for each of ${count} channels of ${channels}, is required.`,
      )
  if ([std].flat().some(value => value <= 0)) throw new ConfigError(`image: "std" must be above 0, found ${show(std)}.`)
}

function allocate(images: number, values: number, where: string): Float32Array<ArrayBuffer> {
  if (images * values <= VALUE_LIMIT) return new Float32Array(images * values)
  throw new FormatError(
    `${where}: ${images} images of ${values} values each are ${images * values} numbers; at most ${VALUE_LIMIT} are held.`,
    { hint: 'Set "resize" to make them smaller, or use fewer images.' },
  )
}

function channelOf(values: number | readonly number[], channel: number): number {
  return typeof values === 'number' ? values : (values[channel] ?? values[0]!)
}

async function loadSharp(): Promise<typeof import('sharp')['default']> {
  return (await import('sharp')).default // only where there are images: it is a native library
}

async function attempt<T>(where: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (cause) {
    throw new FormatError(`${where}: no image that can be read: ${cause instanceof Error ? cause.message : cause}.`, {
      hint: 'PNG, JPEG, WebP, GIF, TIFF and AVIF are read; masks best are 8-bit grey PNG.',
      cause,
    })
  }
}
