import { readFileSync } from 'node:fs'
import { z } from 'zod'
import { AppError, messageOf } from './errors.ts'
import { printable } from './printable.ts'

export const MOST_TERMS = 1_000
const MOST_HEARD = 20
const MOST_CHARS = 100
/** Of all terms together: a vocabulary travels with each job. */
export const MOST_TOTAL = 50_000

const HAS_LETTER = /[\p{L}\p{N}]/u
const text = z
  .string()
  .transform((given) => printable(given))
  .refine((given) => HAS_LETTER.test(given) && given.length <= MOST_CHARS)
const term = z.union([
  text.transform((given) => ({ term: given, heard_as: [] as string[] })),
  z.strictObject({ term: text, heard_as: z.array(text).max(MOST_HEARD).default([]) }),
])
const FORM = `a text of up to ${MOST_CHARS} characters with a letter, or {"term": …, "heard_as": [up to ${MOST_HEARD} such texts]}`

/** A name or word as it is to be written, and what it is often heard as. On the wire, a text alone is a term, too. */
export type Term = z.output<typeof term>
export type GivenTerm = z.input<typeof term>

/**
 * A job's `vocabulary`.
 * @param lists how many vocabularies may be in it, which a coordinator has merged.
 * @throws {AppError} `invalid` for what is no vocabulary, or over the limits.
 */
export function readVocabulary(given: unknown, { lists = 1 } = {}): Term[] {
  const refuse = (msg: string, place: number | null = null): never => {
    const loc = ['body', 'task_options', 'vocabulary', ...(place === null ? [] : [place])]
    throw new AppError('invalid', msg, { problems: [{ loc, msg, type: 'value_error' }] })
  }
  if (!Array.isArray(given)) {
    return refuse(
      'A vocabulary is a list of terms, like ["Qdrant", {"term": "Dashwood", "heard_as": ["dash wood"]}].',
    )
  }
  if (given.length > MOST_TERMS * lists)
    refuse(`The vocabulary has ${given.length} terms: up to ${MOST_TERMS} are allowed.`)
  const terms = given.map((one: unknown, i): Term => {
    const { data } = term.safeParse(one)
    return data ?? refuse(`The vocabulary's term ${i + 1} is not ${FORM}.`, i)
  })
  const total = terms.flatMap((one) => [one.term, ...one.heard_as]).join('').length
  if (total > MOST_TOTAL * lists)
    refuse(`The vocabulary has ${total} characters: up to ${MOST_TOTAL} are allowed.`)
  return terms
}

/** @param setting of the file, for errors. @throws {AppError} `usage` with the file's name. */
export function readVocabularyFile(file: string, setting: string): Term[] {
  try {
    return parseVocabulary(readFileSync(file, 'utf8'))
  } catch (error) {
    const message = `The vocabulary ${file} cannot be read (${setting}): ${messageOf(error)}`
    throw new AppError('usage', message, { cause: error })
  }
}

/**
 * A vocabulary's file: a term on each line, alone or as `Term = heard as, heard as`; empty lines and those that begin with
 * `#` are left out. Or the JSON list of a job.
 * @throws {AppError} as {@link readVocabulary}; {SyntaxError} for JSON that cannot be read.
 */
export function parseVocabulary(content: string): Term[] {
  const trimmed = content.replace(/^\uFEFF/, '').trim()
  return readVocabulary(trimmed.startsWith('[') ? JSON.parse(trimmed) : linesOf(trimmed))
}

function linesOf(content: string): unknown[] {
  return content
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => {
      const [name = '', ...heard] = line.split(/[=,]/).map((one) => one.trim())
      return line.includes('=') ? { term: name, heard_as: heard.filter((one) => one !== '') } : line
    })
}

/** All terms, each once with all that it is heard as; what is first, wins where two contradict each other. */
export function mergeVocabularies(...vocabularies: readonly (readonly Term[])[]): Term[] {
  const merged = new Map<string, Term>()
  for (const { term: name, heard_as: heard } of vocabularies.flat()) {
    const before = merged.get(name)?.heard_as ?? []
    merged.set(name, { term: name, heard_as: [...new Set([...before, ...heard])] })
  }
  return [...merged.values()]
}
