import type { TokenRow } from './token-rows.ts'

/**
 * Cuts a text for a model that takes `maxLength` tokens, so that every token is predicted exactly once: lm-evaluation-harness's rolling
 * log-likelihood. The first window predicts the first `maxLength` tokens from the prefix and what precedes each; every further one the
 * next `maxLength`, from the token before them on; the last ends where the text ends and is as long as the others, so that its first
 * targets have more context. A text that is shorter is one window.
 * @param tokens of the text, shape (n,)
 */
export function rollingWindows(tokens: readonly number[], prefixToken: number, maxLength: number): readonly TokenRow[] {
  const windows: TokenRow[] = []
  for (let done = 0; done < tokens.length; ) {
    const count = Math.min(maxLength, tokens.length - done)
    const end = done + count
    const input = done === 0 ? [prefixToken, ...tokens.slice(0, count - 1)] : tokens.slice(end - maxLength - 1, end - 1)
    windows.push({ input: Int32Array.from(input), targets: Int32Array.from(tokens.slice(done, end)) })
    done = end
  }
  return windows
}

/**
 * Tokens of a text that continues another, and of that other, as lm-evaluation-harness pairs them: white space at the end of the context
 * moves to the continuation; both are encoded together and cut after as many tokens as the context has alone.
 */
export function encodePair(
  context: string,
  continuation: string,
  encode: (text: string) => readonly number[],
  prefixToken: number,
): { readonly context: readonly number[]; readonly continuation: readonly number[] } {
  const kept = context.trimEnd()
  if (kept === '') {
    const whole = encode(context + continuation)
    return whole[0] === prefixToken
      ? { context: whole.slice(0, 1), continuation: whole.slice(1) }
      : { context: [prefixToken], continuation: whole }
  }
  const whole = encode(context + continuation)
  const length = encode(kept).length
  return { context: whole.slice(0, length), continuation: whole.slice(length) }
}

/** The row that scores a continuation: what does not fit into `maxLength` tokens is cut off at the front of the context. */
export function continuationRow(
  { context, continuation }: { readonly context: readonly number[]; readonly continuation: readonly number[] },
  maxLength: number,
): TokenRow {
  const whole = [...context, ...continuation]
  const input = whole.slice(0, -1).slice(-maxLength)
  return { input: Int32Array.from(input), targets: Int32Array.from(continuation) }
}
