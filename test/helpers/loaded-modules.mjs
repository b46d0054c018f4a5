import { appendFileSync } from 'node:fs'
import Module, { register } from 'node:module'

// With `--import` of this file a process adds all it loads to the file that LOADED_MODULES names, a module a line: ECMAScript modules as they are
// loaded, CommonJS ones and native add-ons when the process ends.

const list = process.env.LOADED_MODULES
const hook = `
import { appendFileSync } from 'node:fs'
export async function load(url, context, next) {
  appendFileSync(${JSON.stringify(list)}, url + '\\n')
  return next(url, context)
}`
register(`data:text/javascript,${encodeURIComponent(hook)}`)
process.on('exit', () => {
  for (const file of Object.keys(Module._cache)) appendFileSync(list, `${file}\n`)
})
