import { mapInputPaths } from './array-task.ts'
import { mapTextPaths } from './language/text-options.ts'
import type { OnnxOptions } from './options.ts'
import { TASKS } from './tasks/registry.ts'

/** The options with every path replaced. */
export function mapPaths(options: OnnxOptions, change: (path: string) => string): OnnxOptions {
  return {
    ...options,
    graph: change(options.graph),
    ...(options.exported_from === undefined ? {} : { exported_from: change(options.exported_from) }),
    inputs: mapInputPaths(options.inputs, change),
    ...(options.text === undefined ? {} : { text: mapTextPaths(options.text, change) }),
    // Each task's own definition gives back what it was given, with other paths.
    tasks: options.tasks.map(
      task => TASKS.get(task.kind ?? 'classification')!.mapPaths(task, change) as OnnxOptions['tasks'][number],
    ),
  }
}
