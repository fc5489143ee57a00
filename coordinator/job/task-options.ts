import { AppError } from '../../shared/errors.ts'
import { mergeVocabularies, readVocabulary, type Term } from '../../shared/vocabulary.ts'

/** Names of options that hold secrets of the coordinator. */
const SECRET =
  /(^|_)(secrets?|passw(or)?d|passphrases?|tokens?|credentials?|cookies?|(api|access|private|signing|encryption)_?keys?|connection_strings?|auth|authorization|dsn)($|_)|^(webhook|database|db)(_|s?$)/

function isSecret(key: string, value: unknown): boolean {
  const snake = key
    .replace(/([a-z0-9])([A-Z])/g, '$1_$2')
    .replaceAll('-', '_')
    .toLowerCase()
  // `max_tokens: 448` and `suppress_tokens: [-1]` are no secrets.
  if (snake.endsWith('_tokens') && [value].flat().every((one) => typeof one === 'number')) {
    return false
  }
  return SECRET.test(snake)
}

/** Task options as workers and readers may see them: without what is named like a secret, at every depth. */
export function withoutSecrets(options: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(options)
      .filter(([key, value]) => !isSecret(key, value))
      .map(([key, value]) => [key, clean(value)]),
  )
}

function clean(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(clean)
  if (typeof value !== 'object' || value === null) return value
  return withoutSecrets(value as Record<string, unknown>)
}

/** @throws {AppError} `invalid` for a `vocabulary` or an `ingest_as` that is none. */
export function checkOptions({ vocabulary, ingest_as: form }: Record<string, unknown>): void {
  if ((vocabulary ?? null) !== null) readVocabulary(vocabulary)
  if (!['lines', 'chunks'].includes((form ?? 'lines') as string)) {
    const msg = "ingest_as must be 'lines' or 'chunks'."
    const loc = ['body', 'task_options', 'ingest_as']
    throw new AppError('invalid', msg, { problems: [{ loc, msg, type: 'value_error' }] })
  }
}

/** Task options with the terms of the token that has submitted the job, after the job's own. */
export function withVocabulary(
  options: Record<string, unknown>,
  terms: readonly Term[],
): Record<string, unknown> {
  if (terms.length === 0) return options
  const own = readVocabulary(options['vocabulary'] ?? [])
  return { ...options, vocabulary: mergeVocabularies(own, terms) }
}
