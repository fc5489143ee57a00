import type { Segment } from '../../shared/transcript.ts'
import { lengthOf } from '../audio/span.ts'

/** Segments whose speakers are called by when they first speak: `Speaker_00`, `Speaker_01`, … */
export function relabel<S extends Segment>(segments: readonly S[], prefix = 'Speaker_'): S[] {
  const names = new Map<string, string>()
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
  /** How long all that is theirs lasts, to the millisecond. */
  seconds: number
  /** How often they begin to speak: segments of theirs in a row are one turn. */
  turns: number
}

/** How much each speaker speaks, in order of their first words. */
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
  return [...stats.values()].map((own) => ({
    ...own,
    seconds: Math.round(own.seconds * 1000) / 1000,
  }))
}
