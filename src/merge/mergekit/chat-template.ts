import { ConfigError, show } from '../../errors.ts'

/** Which chat template a merged model gets. Pure. */

/** The markup that ChatML names, as a template of the transformers library. */
const CHATML = [
  "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n' }}{% endfor %}",
  "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}",
].join('')

/** Shorter texts, and texts without a brace, are taken for the name of a template. */
const SHORTEST = 20

/**
 * @param wanted `auto`: what most of the models have, the first of equally many; a template; or `chatml`
 * @param own templates of the models, in the order of the configuration
 * @returns undefined: none of the models has one
 * @throws {ConfigError} on other names
 */
export function chooseChatTemplate(wanted: string, own: readonly (string | undefined)[]): string | undefined {
  if (wanted === 'auto') {
    const count = new Map<string, number>()
    for (const template of own) if (template !== undefined) count.set(template, (count.get(template) ?? 0) + 1)
    return [...count].reduce<[string, number] | undefined>(
      (best, entry) => (best && best[1] >= entry[1] ? best : entry),
      undefined,
    )?.[0]
  }
  if (wanted === 'chatml') return CHATML
  if (wanted.length >= SHORTEST && wanted.includes('{')) return wanted
  throw new ConfigError(`chat_template: there is no template named ${show(wanted)} here; auto and chatml are.`, {
    hint: 'Give the template itself, in Jinja, or auto to take that of the models.',
  })
}
