import { afterAll } from 'vitest'
import { removeTemporaryFolders } from './temporary-folders.ts'

afterAll(removeTemporaryFolders)
