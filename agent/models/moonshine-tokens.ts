import { AppError } from '../../shared/errors.ts'

/** The model's last ids are its own special tokens, beyond the tokenizer's 32 000. */
const VOCABULARY = 32_768

/**
 * Moonshine's tokens as sherpa-onnx reads them: `<base64 of the token's bytes> <id>` on each line. The model's package
 * leaves them out and depends on llama-tokenizer-js, which has the same vocabulary.
 * @throws {AppError} `engine_missing` when that package is not installed.
 */
export async function moonshineTokens(): Promise<string> {
  const vocabulary = await llamaVocabulary()
  const lines: string[] = []
  for (let id = 0; id < VOCABULARY; id++) {
    const token = vocabulary[id] ?? `<<ST_${id - vocabulary.length}>>`
    lines.push(`${bytesOf(token).toString('base64')} ${id}\n`)
  }
  return lines.join('')
}

/** `<0x0A>` stands for one byte, U+2581 for a space. */
function bytesOf(token: string): Buffer {
  const byte = /^<0x([0-9A-F]{2})>$/.exec(token)?.[1]
  return byte === undefined
    ? Buffer.from(token.replaceAll('\u2581', ' '))
    : Buffer.from(byte, 'hex')
}

async function llamaVocabulary(): Promise<readonly string[]> {
  try {
    return (await import('llama-tokenizer-js')).default.vocabById
  } catch (error) {
    throw new AppError(
      'engine_missing',
      'The npm package llama-tokenizer-js is not installed: install this package again without leaving out its optional dependencies.',
      { cause: error },
    )
  }
}
