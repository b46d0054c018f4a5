/**
 * What makes a folder with weights a model, besides the weights and `config.json`: file names of Hugging Face's layout. A folder need not have
 * all of them.
 */
export const COMPANIONS: readonly string[] = [
  'generation_config.json',
  'preprocessor_config.json',
  'processor_config.json',
  'video_preprocessor_config.json',
  'tokenizer.json',
  'tokenizer.model',
  'tokenizer_config.json',
  'special_tokens_map.json',
  'added_tokens.json',
  'vocab.json',
  'vocab.txt',
  'merges.txt',
  'chat_template.jinja',
  'chat_template.json',
]
