import { AppError } from '../../shared/errors.ts'
import type { Turn } from './turns.ts'

/** More than a day of speech has. */
const MOST_TURNS = 200_000

/**
 * Reads turns in RTTM, the format of NIST's Rich Transcription evaluations: one `SPEAKER` line a turn, with file, channel,
 * start and duration in seconds, two fields that are not used, and the speaker's name. Lines of other types, comments
 * (`;;`) and empty lines are passed over, turns without a length as well.
 * @returns in order of their starts; they may overlap.
 * @throws {AppError} `engine_failed` at a line that cannot be read, with its number.
 */
export function readRttm(text: string): Turn[] {
  const turns: Turn[] = []
  for (const [index, line] of text.split(/\r?\n/).entries()) {
    const fields = line.trim().split(/\s+/)
    if (fields[0] !== 'SPEAKER') {
      if (fields[0] === '' || /^(;|[A-Z][A-Z_-]*$)/.test(fields[0]!)) continue
      throw unreadable(index, 'it does not begin with a type such as SPEAKER')
    }
    const [start, duration] = [Number(fields[3]), Number(fields[4])]
    const speaker = fields[7]
    if (speaker === undefined)
      throw unreadable(index, `it has ${fields.length} fields, not 8 or more`)
    if (!(start >= 0 && duration >= 0 && Number.isFinite(start + duration))) {
      throw unreadable(
        index,
        `'${fields[3]}' and '${fields[4]}' are no start and duration in seconds`,
      )
    }
    if (duration > 0) turns.push({ start, end: start + duration, speaker })
    if (turns.length > MOST_TURNS) throw unreadable(index, `it has more than ${MOST_TURNS} turns`)
  }
  return turns.toSorted((a, b) => a.start - b.start)
}

function unreadable(index: number, why: string): AppError {
  return new AppError('engine_failed', `Line ${index + 1} of the RTTM cannot be read: ${why}.`)
}
