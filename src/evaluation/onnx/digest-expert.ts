import type { InputFiles } from '../data/files.ts'

/** Digests the files of a checkpoint. @throws {ConfigError | FormatError} when it cannot be read */
export async function digestExpert(path: string, files: InputFiles, role: string): Promise<void> {
  const { openCheckpoint } = await import('../../formats/open-file.ts')
  const checkpoint = openCheckpoint(path)
  try {
    for (const file of checkpoint.files) await files.readPart(file, role, path)
  } finally {
    checkpoint.close()
  }
}
