import { linear } from './linear.ts'
import type { MergeMethod } from './method.ts'
import { taskArithmetic } from './task-arithmetic.ts'

/** The methods with a kernel, by the name that recipes use; `operators/registry.ts` has all. */
export const METHODS: ReadonlyMap<string, MergeMethod> = new Map([linear, taskArithmetic].map(m => [m.name, m]))
