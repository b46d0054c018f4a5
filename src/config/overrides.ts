/** What a caller may say on top of a config file. Everything left out stays as the file says. */
export interface ConfigOverrides {
  /** Kind of strategy. Options in the file are kept if they are of the same kind. */
  readonly strategy?: string | undefined
  readonly budget?: number | undefined
  readonly seed?: number | undefined
  readonly workers?: number | undefined
  readonly slots?: number | undefined
  /** Path of an evaluator file, relative to the working folder. */
  readonly evaluator?: string | undefined
  /** A run to learn from: its folder, a name under `runs/`, or `latest`. */
  readonly warmStart?: string | undefined
  /** Recipe files and `<run>:<candidate>`, after those of the file; paths relative to the working folder. */
  readonly guesses?: readonly string[] | undefined
  readonly mode?: 'ordered' | 'async' | undefined
}
