import type { Turn } from '../../../agent/diarization/turns.ts'

/** In seconds of speech, each speaker counted. */
export interface DiarizationError {
  /** Speech in the reference. */
  total: number
  missed: number
  falseAlarm: number
  /** Speech of another speaker than in the reference. */
  confused: number
}

/**
 * What the diarization error rate (NIST, "Rich Transcription 2009 Evaluation Plan") is made of: the rate is the sum of the
 * three errors over the total. Speakers are mapped one to one, so that the most speech is correct. Overlapped speech
 * counts.
 * @param collar seconds before and after each border of the reference that do not count.
 */
export function diarizationError(
  reference: readonly Turn[],
  found: readonly Turn[],
  { collar = 0 }: { collar?: number } = {},
): DiarizationError {
  const borders = reference.flatMap(({ start, end }) => [start, end])
  const cuts = [...reference, ...found].flatMap(({ start, end }) => [start, end])
  const collars = borders.flatMap((border) => [border - collar, border + collar])
  const times = [...new Set([...cuts, ...collars])].toSorted((a, b) => a - b)
  const pieces = times.slice(1).flatMap((end, i) => {
    const start = times[i]!
    const middle = (start + end) / 2
    if (borders.some((border) => Math.abs(middle - border) < collar)) return []
    const speakersAt = (turns: readonly Turn[]): string[] => [
      ...new Set(
        turns.filter((one) => one.start < middle && middle < one.end).map((one) => one.speaker),
      ),
    ]
    return [{ seconds: end - start, said: speakersAt(reference), found: speakersAt(found) }]
  })
  const shared = new Map<string, Map<string, number>>()
  for (const piece of pieces) {
    for (const name of piece.found) {
      const row = shared.get(name) ?? new Map<string, number>()
      shared.set(name, row)
      for (const who of piece.said) row.set(who, (row.get(who) ?? 0) + piece.seconds)
    }
  }
  const error = { total: 0, missed: 0, falseAlarm: 0, confused: -mostCorrect(shared) }
  for (const { seconds, said, found: named } of pieces) {
    error.total += seconds * said.length
    error.missed += seconds * Math.max(0, said.length - named.length)
    error.falseAlarm += seconds * Math.max(0, named.length - said.length)
    error.confused += seconds * Math.min(said.length, named.length)
  }
  return error
}

export function rateOf({ total, missed, falseAlarm, confused }: DiarizationError): number {
  return total === 0 ? Number(falseAlarm > 0) : (missed + falseAlarm + confused) / total
}

export function sumOf(errors: readonly DiarizationError[]): DiarizationError {
  const sum = { total: 0, missed: 0, falseAlarm: 0, confused: 0 }
  for (const error of errors) for (const key of KEYS) sum[key] += error[key]
  return sum
}

const KEYS = ['total', 'missed', 'falseAlarm', 'confused'] as const

/** The seconds that the best one-to-one mapping makes correct: dynamic programming over sets of reference speakers. */
function mostCorrect(shared: ReadonlyMap<string, ReadonlyMap<string, number>>): number {
  const speakers = [...new Set([...shared.values()].flatMap((row) => [...row.keys()]))]
  let best = new Map([[0, 0]])
  for (const row of shared.values()) {
    const next = new Map(best)
    for (const [taken, seconds] of best) {
      for (const [i, who] of speakers.entries()) {
        if ((taken & (1 << i)) !== 0) continue
        const set = taken | (1 << i)
        const sum = seconds + (row.get(who) ?? 0)
        if (sum > (next.get(set) ?? 0)) next.set(set, sum)
      }
    }
    best = next
  }
  return Math.max(0, ...best.values())
}
