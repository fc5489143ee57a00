import { z } from 'zod'
import { languageCode } from '../../shared/languages.ts'
import { printable } from '../../shared/printable.ts'
import type { AnswerForm } from './forms.ts'

/** How a request of another program's API is to be done here. */
export interface SpeechRequest {
  taskOptions: Record<string, unknown>
  /** Of the answer. */
  form: AnswerForm
  /** Of the job; left out: the upload's. */
  filename?: string | undefined
  /** Parameters that change nothing, as sentences. */
  warnings: string[]
}

/** A request's parameters, as they come. */
export interface Given {
  query: Iterable<readonly [string, readonly string[]]>
  form: Iterable<readonly [string, readonly string[]]>
}

/** Of job options: a longer prompt would be ignored by the agent. */
const MOST_PROMPT = 1_000
const MOST_UNKNOWN = 10

/** A field that says what becomes of it: `Honoured`, `Ignored with a warning` or `Refused`, and how. */
export function field<S extends z.ZodType>(schema: S, description: string): S {
  return schema.meta({ description })
}

/** ISO 639 codes, tags and English names; null: to be detected. */
export const spokenLanguage = z
  .string()
  .max(100)
  .transform((text, context) => {
    if (/^(auto)?$/i.test(text.trim())) return null
    const code = languageCode(text)
    if (code !== null) return code
    context.addIssue({ code: 'custom', message: 'Expected a language code like en.' })
    return z.NEVER
  })

/**
 * Reads parameters by the names of a schema, in brackets or without (`include[]`, `chunking_strategy[type]`).
 * @param lists names of which all values count; of others the first.
 * @returns `unknown`: a sentence for each name that is not in the schema.
 */
export function readParameters(
  { shape }: z.ZodObject,
  { query, form }: Given,
  lists: readonly string[] = [],
): { values: Record<string, unknown>; unknown: string[] } {
  const found = new Map<string, string[]>()
  for (const [name, values] of [...query, ...form]) {
    const plain = name.replace(/\[.*$/s, '')
    const said = values.filter((value) => value.trim() !== '')
    if (said.length > 0) found.set(plain, [...(found.get(plain) ?? []), ...said])
  }
  const entries = [...found].filter(([name]) => Object.hasOwn(shape, name))
  const unknown = [...found.keys()].filter((name) => !Object.hasOwn(shape, name))
  return {
    values: Object.fromEntries(
      entries.map(([name, values]) => [name, lists.includes(name) ? values : values[0]]),
    ),
    unknown: unknown
      .slice(0, MOST_UNKNOWN)
      .map((name) => `${printable(name, { most: 60 })} is unknown here and was ignored.`),
  }
}

/** Its end, as Whisper uses it, where it is too long. */
export function promptOf(text: string | undefined, warn: (text: string) => void): string | null {
  if (text === undefined) return null
  if (text.length <= MOST_PROMPT) return text
  warn(`The prompt is long: its last ${MOST_PROMPT} characters were used.`)
  return text.slice(-MOST_PROMPT)
}

/** Options of a job without those that are not set. */
export function optionsOf(options: Record<string, unknown>): Record<string, unknown> {
  const isSet = (value: unknown): boolean =>
    value !== null && value !== undefined && !(isObject(value) && Object.keys(value).length === 0)
  return Object.fromEntries(Object.entries(options).filter(([, value]) => isSet(value)))
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null
}
