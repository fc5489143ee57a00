export interface SpokenWord {
  text: string
  seconds: number
  /** Null: unknown. */
  speaker: string | null
}

/** Words in a row by one speaker: from `start` (inclusive) to `end` (exclusive). */
interface Run {
  start: number
  end: number
  speaker: string | null
}

/** A run of so few words, or so short, in the middle of another speaker's sentence is an error. */
const FEW_WORDS = 2
const SHORT_SECONDS = 0.6
/** How many words a change of speakers may be moved to the end of a sentence. */
const REACH = 2

const SENTENCE_END = /[.!?…。！？]["'”’»)\]]*\s*$/u
const CLAUSE_END = /[,;:،、，；：—–]["'”’»)\]]*\s*$/u

/**
 * Gives a short run between two runs of one speaker to that speaker, unless it is a sentence of its own. The first and
 * the last word of a segment begin and end a sentence.
 */
export function smooth(words: readonly SpokenWord[]): SpokenWord[] {
  const smoothed = words.map((word) => ({ ...word }))
  const runs = runsOf(words)
  for (const [i, run] of runs.entries()) {
    const [before, after] = [runs[i - 1], runs[i + 1]]
    if (before === undefined || after === undefined || before.speaker !== after.speaker) continue
    if (!isShort(words, run) || isSentence(words, run)) continue
    for (let at = run.start; at < run.end; at++) smoothed[at]!.speaker = before.speaker
    run.speaker = before.speaker
  }
  return smoothed
}

/** Moves each change of speakers to the nearest end of a sentence or clause within two words of it. */
export function placeChanges(words: readonly SpokenWord[]): SpokenWord[] {
  const placed = words.map((word) => ({ ...word }))
  const runs = runsOf(words)
  for (const [i, run] of runs.entries()) {
    const before = runs[i - 1]
    if (before === undefined) continue
    // Each speaker keeps at least one word.
    const from = Math.max(before.start + 1, run.start - REACH)
    const to = Math.min(run.end - 1, run.start + REACH)
    const at = nearestEnd(words, run.start, from, to)
    for (let word = at; word < run.start; word++) placed[word]!.speaker = run.speaker
    for (let word = run.start; word < at; word++) placed[word]!.speaker = before.speaker
    before.end = at
    run.start = at
  }
  return placed
}

/** The place between `from` and `to` that is nearest to `change` and follows a sentence or clause; else `change`. */
function nearestEnd(
  words: readonly SpokenWord[],
  change: number,
  from: number,
  to: number,
): number {
  for (let distance = 0; distance <= REACH; distance++) {
    const places = [change - distance, change + distance].filter((at) => at >= from && at <= to)
    for (const end of [SENTENCE_END, CLAUSE_END]) {
      const found = places.find((at) => end.test(words[at - 1]!.text))
      if (found !== undefined) return found
    }
  }
  return change
}

function runsOf(words: readonly SpokenWord[]): Run[] {
  const runs: Run[] = []
  for (const [at, { speaker }] of words.entries()) {
    const last = runs.at(-1)
    if (last?.speaker === speaker) last.end = at + 1
    else runs.push({ start: at, end: at + 1, speaker })
  }
  return runs
}

function isShort(words: readonly SpokenWord[], { start, end }: Run): boolean {
  if (end - start <= FEW_WORDS) return true
  const seconds = words.slice(start, end).reduce((sum, word) => sum + word.seconds, 0)
  return seconds < SHORT_SECONDS
}

function isSentence(words: readonly SpokenWord[], { start, end }: Run): boolean {
  const begins = start === 0 || SENTENCE_END.test(words[start - 1]!.text)
  return begins && (end === words.length || SENTENCE_END.test(words[end - 1]!.text))
}
