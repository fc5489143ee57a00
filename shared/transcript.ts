import { z } from 'zod'

/** Every duration and position here is in seconds from the start of the original file. */
const word = z.looseObject({ start: z.number(), end: z.number(), text: z.string() })

const segment = z.looseObject({
  start: z.number(),
  end: z.number(),
  text: z.string(),
  speaker: z.string().exactOptional(),
  words: z.array(word).exactOptional(),
  flags: z.array(z.string()).exactOptional(),
})

/** One word; its text is without the spaces around it. */
export interface Word {
  start: number
  end: number
  text: string
}

/** A stretch of speech: who said what from when to when. */
export interface Segment {
  start: number
  end: number
  text: string
  speaker?: string
  words?: Word[]
  /** Why its text is to be doubted (`repeats`, `no_speech`, …). */
  flags?: string[]
}

/** What an engine makes of a recording. */
export interface Transcript {
  /** ISO 639-1 code, or null when nobody knows. */
  language: string | null
  languageProbability?: number
  durationSeconds: number
  segments: Segment[]
}

/** The segments that a result's metadata carries, or none when it has no usable ones. */
export function segmentsOf(metadata: Record<string, unknown>): Segment[] {
  const parsed = z.array(segment).safeParse(metadata['segments'])
  return parsed.success ? (parsed.data as Segment[]) : []
}
