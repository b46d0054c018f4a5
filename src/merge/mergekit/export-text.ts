import { stringify } from 'yaml'
import { z } from 'zod'
import { FormatError } from '../../errors.ts'
import type { MergekitExport } from './export.ts'

/** The text of an exported configuration, and what it says to readers here that mergekit passes over. */

/** Random masks follow seed and ids of the models; a configuration has neither. */
export interface MaskOrigin {
  readonly seed: number
  /** Model as the configuration names it → id that its masks are drawn by. */
  readonly ids: ReadonlyMap<string, string>
}

const MARK = '# amalgam: '
const originSchema = z.strictObject({ seed: z.int(), ids: z.record(z.string(), z.string()) })

/** @param origin absent where the method draws no masks */
export function exportText({ config, remarks }: MergekitExport, origin: MaskOrigin | undefined): string {
  const lines = [
    '# For mergekit: mergekit-yaml THIS.yml OUT. For Amalgam: amalgam merge THIS.yml --out OUT.',
    ...remarks.map(remark => `# ${remark}`),
    ...(origin === undefined
      ? []
      : [MARK + JSON.stringify({ seed: origin.seed, ids: Object.fromEntries(origin.ids) })]),
  ]
  return `${lines.join('\n')}\n${stringify(config, { aliasDuplicateObjects: false })}`
}

/** @throws {FormatError} where the comment is there, but broken */
export function readMaskOrigin(text: string): MaskOrigin | undefined {
  const line = text.split('\n').find(candidate => candidate.startsWith(MARK))
  if (line === undefined) return undefined
  try {
    const { seed, ids } = originSchema.parse(JSON.parse(line.slice(MARK.length)))
    return { seed, ids: new Map(Object.entries(ids)) }
  } catch (cause) {
    throw new FormatError(`The comment "${MARK.trim()}" of the configuration is damaged.`, {
      cause,
      hint: 'Export it again, or remove the comment; random masks will then be others.',
    })
  }
}
