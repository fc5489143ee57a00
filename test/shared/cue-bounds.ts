import { BOUNDS } from '../../shared/cue-times.ts'
import { textOf, type Cue } from '../../shared/cues.ts'
import { widthOf } from '../../shared/text-width.ts'

export function linesOf(cue: Cue): string[] {
  return cue.voices.flatMap(({ lines }) => lines.map(textOf))
}

/**
 * What cues break of the bounds, in words; a single word may. Speech that is faster than the bound is no fault where a cue
 * lasts as long as it can, nor are short cues of a recording too short for them, nor a cue that ends before its last word where it has no more time.
 */
export function faultsIn(
  cues: readonly Cue[],
  {
    maxLineChars = 42,
    maxLines = 2,
    seconds = Infinity,
  }: { maxLineChars?: number; maxLines?: number; seconds?: number } = {},
): string[] {
  const { least, most, gap, perSecond } = BOUNDS
  const isCramped = cues.length * (least + gap) > seconds * 1000
  return cues.flatMap((cue, i) => {
    const lines = linesOf(cue)
    const next = cues[i + 1]
    const lasts = cue.end - cue.start
    const isWord = cue.voices.flatMap((voice) => voice.lines.flat()).length === 1
    const wanted = (lines.reduce((sum, line) => sum + widthOf(line), 0) / perSecond) * 1000
    const canLast = Math.min(
      most,
      (next === undefined ? seconds * 1000 : next.start - gap) - cue.start,
    )
    const faults = {
      'a line is too long': !isWord && lines.some((line) => widthOf(line) > maxLineChars),
      'there are too many lines': !isWord && lines.length > maxLines,
      'it is empty': lines.length === 0 || lines.some((line) => line.trim() === ''),
      'it is too short': lasts < (isCramped ? least / 10 : least),
      'it is too long': lasts > most,
      'the gap is too small':
        next !== undefined && next.start - cue.end < (isCramped ? gap / 10 : gap),
      'it ends after the recording': cue.end > Math.ceil(seconds * 1000),
      'it begins before the recording': cue.start < 0,
      'it is shorter than it could be read': !isCramped && lasts < Math.min(wanted, canLast) - 2,
    }
    return Object.entries(faults)
      .filter(([, is]) => is)
      .map(([fault]) => `${fault}: ${JSON.stringify([cue.start, cue.end, lines, next?.start])}`)
  })
}
