import { createHash } from 'node:crypto'
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'

// Text for the tiny language models, from packages that the lock file installs: npm run collect:tiny-llama FOLDER
//   FOLDER/<domain>.bin    training text, documents separated by a zero byte
//   data/<domain>.jsonl    held-out examples {"id", "text", "split", "from"}, beside this file
// Files, not passages, are held out: no training file gives an example, and no two splits share a file.

const DOMAINS = {
  english: { ends: ['.md'], packages: /./, limit: 1_500_000 },
  javascript: {
    ends: ['.js', '.mjs', '.cjs'],
    packages:
      /^(acorn|commander|csv-parse|enhanced-resolve|fast-check|ml-matrix|picomatch|semver|simple-statistics|vite|yaml|zod)$/,
    limit: 2_000_000,
  },
  json: { ends: ['.json'], packages: /^(?!typescript$)/, limit: 1_200_000 },
  declarations: {
    ends: ['.d.ts', '.d.mts', '.d.cts'],
    packages: /^(@bufbuild\/protobuf|@types\/node|fast-check|postcss|type-fest|vitest|yaml|zod)$/,
    limit: 1_500_000,
  },
} as const
type Domain = keyof typeof DOMAINS

/** JSON only widens what the base model knows; the others have an expert, and examples, each. */
const SCORED: readonly Domain[] = ['english', 'javascript', 'declarations']
const EXAMPLE_BYTES = 256
const EXAMPLES = { search: 64, select: 64, holdout: 192 } as const
const PER_FILE = 6
const LICENCES = /^\(?(MIT|ISC|Apache-2\.0|BSD-[23]-Clause|MIT OR Apache-2\.0|MIT OR CC0-1\.0)\)?$/

/** Changelogs and the like: lists of links, not language. */
const LISTS = /change|history|release|notice|sponsor/i

const ROOT = fileURLToPath(new URL('../../../', import.meta.url))
const MODULES = join(ROOT, 'node_modules')
const DATA = join(ROOT, 'examples', 'tiny-llama', 'data')

interface Document {
  /** `package@version/path`. */
  readonly from: string
  readonly text: string
  /** 0..1, from the name alone: equal on every machine. */
  readonly draw: number
}

function main(folder: string | undefined): void {
  if (folder === undefined) throw new Error('Name the folder for the training text.')
  mkdirSync(folder, { recursive: true })
  mkdirSync(DATA, { recursive: true })
  const documents = collect()
  for (const domain of Object.keys(DOMAINS) as Domain[]) {
    const own = documents.get(domain)!.toSorted((a, b) => a.draw - b.draw)
    const { training, examples } = divide(own, SCORED.includes(domain))
    const text = training.join('\0').slice(0, DOMAINS[domain].limit)
    writeFileSync(join(folder, `${domain}.bin`), text, 'latin1')
    if (examples.length > 0) {
      const lines = examples.map((example, i) => JSON.stringify({ id: `${domain}-${i}`, ...example }))
      writeFileSync(join(DATA, `${domain}.jsonl`), `${lines.join('\n')}\n`)
    }
    console.log(
      `${domain.padEnd(12)} ${own.length} files, ${text.length} bytes to train on, ${examples.length} examples`,
    )
  }
}

/** The first files, by draw, give the examples of the three splits; the rest is trained on. */
function divide(documents: readonly Document[], scored: boolean) {
  const examples: { text: string; split: string; from: string }[] = []
  let next = 0
  for (const [split, count] of Object.entries(scored ? EXAMPLES : {})) {
    let found = 0
    while (found < count) {
      const document = documents[next++]
      if (document === undefined) throw new Error('Too few files for the held-out examples.')
      for (const text of passages(document).slice(0, count - found)) {
        examples.push({ text, split, from: document.from })
        found++
      }
    }
  }
  return { training: documents.slice(next).map(({ text }) => text), examples }
}

/** Passages at even distances over the file, each EXAMPLE_BYTES long. */
function passages({ text }: Document): string[] {
  const count = Math.min(PER_FILE, Math.floor(text.length / (2 * EXAMPLE_BYTES)))
  return Array.from({ length: count }, (_, i) => {
    const begin = Math.floor(((i + 0.5) * text.length) / count - EXAMPLE_BYTES / 2)
    return text.slice(begin, begin + EXAMPLE_BYTES)
  })
}

function collect(): ReadonlyMap<Domain, Document[]> {
  const found = new Map((Object.keys(DOMAINS) as Domain[]).map(domain => [domain, [] as Document[]]))
  const texts = new Set<string>()
  for (const name of packages()) {
    const manifest = JSON.parse(readFileSync(join(MODULES, name, 'package.json'), 'utf8'))
    if (!LICENCES.test(String(manifest.license))) continue
    for (const file of filesIn(join(MODULES, name))) {
      const domain = domainOf(name, file)
      if (domain === undefined || LISTS.test(file)) continue
      const whole = readFileSync(file, 'utf8')
      const text = asciiOf(domain === 'english' ? withoutCode(whole) : whole)
      if (text === undefined || texts.has(text)) continue
      texts.add(text)
      const from = `${name}@${manifest.version}/${relative(join(MODULES, name), file)}`
      const draw = createHash('sha256').update(from).digest().readUInt32BE() / 2 ** 32
      found.get(domain)!.push({ from, text, draw })
    }
  }
  return found
}

/** Readable lines, nearly all ASCII, the rest left out: what is minified or encoded teaches nothing. */
function asciiOf(text: string): string | undefined {
  const plain = text.replace(/[^\t\n\u0020-\u007e]/g, '')
  if (plain.length < 0.97 * text.length || plain.length < 4 * EXAMPLE_BYTES || plain.length > 400_000) return undefined
  return plain.length / plain.split('\n').length > 200 ? undefined : plain
}

/** Markdown without its fenced blocks. */
function withoutCode(markdown: string): string {
  return markdown.replace(/^(`{3,}|~{3,})[^\n]*\n[\s\S]*?^\1[^\n]*$/gm, '').replace(/\n{3,}/g, '\n\n')
}

function domainOf(name: string, file: string): Domain | undefined {
  const order: readonly Domain[] = ['declarations', 'english', 'javascript', 'json']
  return order.find(
    domain => DOMAINS[domain].ends.some(end => file.endsWith(end)) && DOMAINS[domain].packages.test(name),
  )
}

function packages(): string[] {
  return readdirSync(MODULES)
    .filter(name => !name.startsWith('.'))
    .flatMap(name => (name.startsWith('@') ? readdirSync(join(MODULES, name)).map(own => `${name}/${own}`) : [name]))
    .sort()
}

function* filesIn(folder: string): Generator<string> {
  for (const entry of readdirSync(folder, { withFileTypes: true }).sort((a, b) => (a.name < b.name ? -1 : 1))) {
    const path = join(folder, entry.name)
    if (entry.isDirectory()) yield* filesIn(path)
    else if (entry.isFile()) yield path
  }
}

main(process.argv[2])
