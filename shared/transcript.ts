export interface Word {
  start: number
  end: number
  /** Without spaces around it. */
  text: string
}

export interface Segment {
  start: number
  end: number
  text: string
  speaker?: string
  words?: Word[]
  /** Why its text is doubtful (`repeats`, `no_speech`, …). */
  flags?: string[]
}

export interface Transcript {
  /** ISO 639-1 code; null: unknown. */
  language: string | null
  languageProbability?: number
  durationSeconds: number
  segments: Segment[]
}

/**
 * The segments of a result's metadata, by start; null: none that can be read. Any worker may have written them: a segment
 * whose times are not numbers is placed after the one before.
 */
export function segmentsOf({ segments }: Record<string, unknown>): Segment[] | null {
  if (!Array.isArray(segments)) return null
  const found: Segment[] = []
  for (const one of segments as Record<string, unknown>[]) {
    if (typeof one?.['text'] === 'string')
      found.push(segmentIn(one, one['text'], found.at(-1)?.end ?? 0))
  }
  if (found.length === 0 && segments.length > 0) return null
  return found.toSorted((a, b) => a.start - b.start)
}

function segmentIn(given: Record<string, unknown>, text: string, after: number): Segment {
  const { start: from, end: to, speaker, words } = given
  const start = isFiniteNumber(from) ? from : after
  return {
    start,
    end: isFiniteNumber(to) ? to : start,
    text,
    ...(typeof speaker === 'string' && speaker !== '' ? { speaker } : {}),
    ...(Array.isArray(words) && words.every(isWord) ? { words } : {}),
  }
}

function isWord(given: unknown): given is Word {
  if (typeof given !== 'object' || given === null) return false
  const { start, end, text } = given as Record<string, unknown>
  return isFiniteNumber(start) && isFiniteNumber(end) && typeof text === 'string'
}

function isFiniteNumber(given: unknown): given is number {
  return Number.isFinite(given)
}
