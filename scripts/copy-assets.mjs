// Copies what the compiler does not: the kernels, beside the module that loads them.
import { cpSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const at = path => fileURLToPath(new URL(`../${path}`, import.meta.url))

for (const folder of ['merge/kernel', 'evaluation/onnx/language/softmax', 'evaluation/onnx/label-ranks'])
  cpSync(at(`src/${folder}`), at(`dist/${folder}`), {
    recursive: true,
    filter: path => !path.endsWith('assembly') && !path.endsWith('.ts'),
  })
