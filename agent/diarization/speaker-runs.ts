/** A word, how long it is said, and by whom; null when nobody knows. */
export interface Said {
  text: string
  seconds: number
  speaker: string | null
}

/** Words in a row by one speaker: from `start` (inclusive) to `end` (exclusive). */
interface Run {
  start: number
  end: number
  speaker: string | null
}

/** Nobody speaks for so few words, or so short, in the middle of another's sentence. */
const FEW_WORDS = 2
const SHORT_SECONDS = 0.6
/** A change of speakers is moved so many words to where a sentence ends. */
const REACH = 2

const SENTENCE_END = /[.!?…。！？]["'”’»)\]]*\s*$/u
const CLAUSE_END = /[,;:،、，；：—–]["'”’»)\]]*\s*$/u

/**
 * Gives a short run between two runs of one speaker to that speaker, unless it is a sentence of its own. The first and
 * the last word of a segment begin and end a sentence.
 */
export function smooth(words: readonly Said[]): Said[] {
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
export function placeChanges(words: readonly Said[]): Said[] {
  const placed = words.map((word) => ({ ...word }))
  const runs = runsOf(words)
  for (const [i, run] of runs.entries()) {
    const before = runs[i - 1]
    if (before === undefined) continue
    // Each keeps a word at least, or a speaker would be gone.
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

/** The place from `from` to `to` that follows the end of a sentence or clause and is nearest to `change`, else that. */
function nearestEnd(words: readonly Said[], change: number, from: number, to: number): number {
  for (let distance = 0; distance <= REACH; distance++) {
    const places = [change - distance, change + distance].filter((at) => at >= from && at <= to)
    for (const end of [SENTENCE_END, CLAUSE_END]) {
      const found = places.find((at) => end.test(words[at - 1]!.text))
      if (found !== undefined) return found
    }
  }
  return change
}

function runsOf(words: readonly Said[]): Run[] {
  const runs: Run[] = []
  for (const [at, { speaker }] of words.entries()) {
    const last = runs.at(-1)
    if (last?.speaker === speaker) last.end = at + 1
    else runs.push({ start: at, end: at + 1, speaker })
  }
  return runs
}

function isShort(words: readonly Said[], { start, end }: Run): boolean {
  if (end - start <= FEW_WORDS) return true
  const seconds = words.slice(start, end).reduce((sum, word) => sum + word.seconds, 0)
  return seconds < SHORT_SECONDS
}

function isSentence(words: readonly Said[], { start, end }: Run): boolean {
  const begins = start === 0 || SENTENCE_END.test(words[start - 1]!.text)
  return begins && (end === words.length || SENTENCE_END.test(words[end - 1]!.text))
}
