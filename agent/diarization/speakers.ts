import type { Segment } from '../../shared/transcript.ts'
import { lengthOf, roundToMs } from '../../shared/span.ts'

/**
 * Names speakers in order of their first words: `Speaker_00`, `Speaker_01`, …
 * @param known those that have a name.
 */
export function relabel<S extends Segment>(
  segments: readonly S[],
  prefix = 'Speaker_',
  known: ReadonlyMap<string, string> = new Map(),
): S[] {
  const names = new Map(known)
  return segments.map((segment) => {
    const { speaker } = segment
    if (speaker === undefined) return segment
    const name = names.get(speaker) ?? `${prefix}${String(names.size).padStart(2, '0')}`
    names.set(speaker, name)
    return { ...segment, speaker: name }
  })
}

export interface SpeakerStats {
  speaker: string
  seconds: number
  /** Segments in a row are one turn. */
  turns: number
}

/** In order of their first words. */
export function speakerStats(segments: readonly Segment[]): SpeakerStats[] {
  const stats = new Map<string, SpeakerStats>()
  let before: string | undefined
  for (const segment of segments) {
    const { speaker } = segment
    if (speaker !== undefined) {
      const own = stats.get(speaker) ?? { speaker, seconds: 0, turns: 0 }
      own.seconds += lengthOf(segment)
      if (speaker !== before) own.turns += 1
      stats.set(speaker, own)
    }
    before = speaker
  }
  return [...stats.values()].map((own) => ({ ...own, seconds: roundToMs(own.seconds) }))
}
