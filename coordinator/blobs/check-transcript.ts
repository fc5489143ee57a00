import { z } from 'zod'
import { misfit } from '../../shared/parse-wire.ts'
import { segment, transcriptItems, word } from '../../shared/transcript.ts'

/**
 * Checks the metadata of a result that has segments, up to the first item that does not fit: there may be hundreds of
 * thousands.
 * @throws {AppError} `invalid` with the place.
 */
export function checkTranscript(metadata: Record<string, unknown>): void {
  if ((metadata['segments'] ?? null) === null) return
  for (const [name, item] of Object.entries(transcriptItems)) {
    const given = metadata[name] ?? []
    const place = ['body', 'metadata', name]
    check(list, given, () => place)
    for (const [i, one] of (given as unknown[]).entries()) {
      if (item === segment) checkSegment(one, () => [...place, i])
      else check(item, one, () => [...place, i])
    }
  }
}

type Place = () => (string | number)[]

const list = z.array(z.unknown())

function checkSegment(given: unknown, place: Place): void {
  const words = wordsOf(given)
  if (words === null) {
    check(segment, given, place)
    return
  }
  check(segment, { ...(given as object), words: null }, place)
  for (const [i, one] of words.entries()) check(word, one, () => [...place(), 'words', i])
}

function wordsOf(given: unknown): unknown[] | null {
  if (typeof given !== 'object' || given === null) return null
  const { words } = given as { words?: unknown }
  return Array.isArray(words) ? words : null
}

function check(schema: z.ZodType, value: unknown, place: Place): void {
  const { error } = schema.safeParse(value, { reportInput: true })
  if (error !== undefined) throw misfit(error, place())
}
