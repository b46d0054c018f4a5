import { afterAll } from 'vitest'
import { describeEvaluator } from '../../contracts/evaluator-contract.ts'
import { temporaryFolder } from '../../helpers/temporary-folders.ts'
import { modelWith } from '../command/support.ts'
import { FakeServer } from './fake-server.ts'
import { makeHttp } from './support.ts'

const folder = temporaryFolder('http')
const server = new FakeServer()
afterAll(() => server.stop())

describeEvaluator('a server that knows candidates by their folder', async () => {
  await server.start()
  return {
    create: () => makeHttp(folder, server.url),
    model: seed => modelWith(seed),
    chance: { model: modelWith(0), values: () => [0.5] },
    means: [0],
    separating: { model: modelWith(7), objective: 0 },
  }
})
