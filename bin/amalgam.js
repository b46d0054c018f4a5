#!/usr/bin/env node
// Launcher. In a source checkout that was never built, builds once; a published package always has dist/.
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

// Until a command takes over, a signal ends with the exit code it will have later, and says where things stand.
const [command, name] = process.argv.slice(2)
const early = exitCode => () => {
  const next = command === 'resume' && name !== undefined ? ` Resume: amalgam resume ${name}` : ''
  process.stderr.write(`Interrupted before anything was done; nothing was changed.${next}\n`)
  process.exit(exitCode)
}
process.on('SIGINT', early(130))
process.on('SIGTERM', early(143))

const root = fileURLToPath(new URL('..', import.meta.url))
const main = new URL('../dist/cli/main.js', import.meta.url)
if (!existsSync(main) && existsSync(new URL('../tsconfig.build.json', import.meta.url))) {
  process.stderr.write('amalgam: first run in a source checkout, building once...\n')
  const build = spawnSync('npm', ['run', '--silent', 'build'], { cwd: root, stdio: ['ignore', 2, 2] })
  if (build.status !== 0) {
    process.stderr.write('amalgam: the build failed. Run "npm ci" in the checkout, then "npm run build".\n')
    process.exit(3)
  }
}
await import(main.href)
