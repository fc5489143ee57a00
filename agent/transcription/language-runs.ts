import { clip, totalLength, type Span } from '../../shared/span.ts'
import { meanOf, vote, weightOf, type DetectedLanguage } from './language-vote.ts'

/** A window of speech, and the language that was detected in it; null: none. */
export interface LanguageWindow extends Span {
  /** Of speech. */
  seconds: number
  detected: DetectedLanguage | null
}

/** From `start` on, in seconds of the recording, the speech is in this language, until the next run begins. */
export interface LanguageRun extends DetectedLanguage {
  start: number
}

/** Neighbouring windows of one language count together. With less speech they take their neighbours' language. */
const LEAST_SECONDS = 3
/** The same if no window of them is as probable. */
const LEAST_PROBABILITY = 0.6
/** No detection proves more than this. */
const MOST_PROBABILITY = 0.99
/** In seconds. */
const LEAST_PAUSE = 0.05

/**
 * The language of each window. Windows that are too short or too improbable for a language of their own take that of
 * the nearest other one. All are null if none is certain.
 * @param windows ascending.
 */
export function smoothed(windows: readonly LanguageWindow[]): (string | null)[] {
  const certain = windows.map((): string | null => null)
  for (const { from, to, language } of groupsOf(windows.map(detectedIn))) {
    const group = windows.slice(from, to)
    const seconds = group.reduce((sum, one) => sum + one.seconds, 0)
    const best = Math.max(...group.flatMap(({ detected }) => detected ?? []).map(weightOf), 0)
    if (seconds >= LEAST_SECONDS && best >= LEAST_PROBABILITY) certain.fill(language, from, to)
  }
  return certain.map((language, at) => language ?? nearest(windows, certain, at))
}

function detectedIn({ detected }: LanguageWindow): string | null {
  return detected?.language ?? null
}

/** The language of the nearest window that has one. */
function nearest(
  windows: readonly LanguageWindow[],
  languages: readonly (string | null)[],
  at: number,
): string | null {
  const before = languages.findLastIndex((language, i) => i < at && language !== null)
  const after = languages.findIndex((language, i) => i > at && language !== null)
  if (before < 0 || after < 0) return languages[Math.max(before, after)] ?? null
  const pauseBefore = windows[at]!.start - windows[before]!.end
  const pauseAfter = windows[after]!.start - windows[at]!.end
  return languages[pauseAfter < pauseBefore ? after : before]!
}

/**
 * The runs of one language. The probability of a run is the mean of its windows, with 0 for those in which another
 * language was detected. Where no window is certain they vote, and none wins if they disagree.
 * @param windows ascending.
 */
export function runsOf(windows: readonly LanguageWindow[]): LanguageRun[] {
  const runs: LanguageRun[] = []
  for (const { from, to, language } of groupsOf(smoothed(windows))) {
    const detected = windows.slice(from, to).flatMap((one) => one.detected ?? [])
    if (language === null) {
      const winner = vote(detected)
      return winner === null ? [] : [{ start: 0, ...winner }]
    }
    const start = from === 0 ? 0 : windows[from]!.start
    runs.push({ start, language, probability: meanOf(detected, language) })
  }
  return runs
}

/**
 * Where the language may change: from each sample to the next one of another language, both included.
 * @param samples ascending.
 * @returns the speech there, in whole spans.
 */
export function speechBetweenChanges(
  speech: readonly Span[],
  samples: readonly LanguageWindow[],
): Span[][] {
  const languages = smoothed(samples)
  const places: Span[] = []
  for (const [at, { start }] of samples.entries()) {
    const next = samples[at + 1]
    if (next === undefined || languages[at] === languages[at + 1]) continue
    const last = places.at(-1)
    if (last !== undefined && last.end > start) last.end = next.end
    else places.push({ start, end: next.end })
  }
  return places.map((place) =>
    speech.filter(({ start, end }) => start < place.end && end > place.start),
  )
}

/** Samples, and in their place the windows where there are some, in order of time. */
export function replaced(
  samples: readonly LanguageWindow[],
  windows: readonly LanguageWindow[],
): LanguageWindow[] {
  const left = samples.filter(
    (sample) => !windows.some(({ start, end }) => start < sample.end && end > sample.start),
  )
  return [...left, ...windows].toSorted((a, b) => a.start - b.start)
}

/**
 * Where the second of two languages begins: at the most probable place, which is rather a long pause than a short one.
 * @param spans of speech, at least two.
 * @returns the index of the first span in `second`, which is not the first of all.
 */
export function changeAt(spans: readonly LanguageWindow[], first: string, second: string): number {
  let best = { at: 1, score: -Infinity }
  for (let at = 1; at < spans.length; at++) {
    const pause = Math.max(LEAST_PAUSE, spans[at]!.start - spans[at - 1]!.end)
    const score = spans.reduce(
      (sum, span, i) => sum + Math.log(i < at ? oddsOf(first, span) : oddsOf(second, span)),
      Math.log(pause),
    )
    if (score > best.score) best = { at, score }
  }
  return best.at
}

/** How probable a span is in one of two languages. */
function oddsOf(language: string, { detected }: LanguageWindow): number {
  if (detected === null || weightOf(detected) < LEAST_PROBABILITY) return 0.5
  const probability = Math.min(MOST_PROBABILITY, weightOf(detected))
  return detected.language === language ? probability : 1 - probability
}

/** The run that speech from `at` on belongs to; null: there are none. */
export function runAt(runs: readonly LanguageRun[], at: number): LanguageRun | null {
  return runs.findLast(({ start }) => start <= at) ?? null
}

/** The languages of all voices, the most spoken first. The probability is the mean over the speech. */
export function spokenIn(
  voices: readonly { speech: readonly Span[]; languages?: readonly LanguageRun[] }[],
): DetectedLanguage[] {
  const sums = new Map<string, { seconds: number; weighed: number | null }>()
  for (const { speech, languages = [] } of voices) {
    for (const [at, { start, language, probability }] of languages.entries()) {
      const seconds = totalLength(clip(speech, start, languages[at + 1]?.start ?? Infinity))
      const sum = sums.get(language) ?? { seconds: 0, weighed: 0 }
      sum.seconds += seconds
      sum.weighed =
        sum.weighed === null || probability === null ? null : sum.weighed + seconds * probability
      sums.set(language, sum)
    }
  }
  return [...sums]
    .toSorted(([, a], [, b]) => b.seconds - a.seconds)
    .map(([language, { seconds, weighed }]) => ({
      language,
      probability: weighed === null ? null : weighed / seconds,
    }))
}

/** A window of that speech, with its language. */
export function windowOf(
  spans: readonly Span[],
  detected: DetectedLanguage | null,
): LanguageWindow {
  const { start } = spans[0]!
  return { start, end: spans.at(-1)!.end, seconds: totalLength(spans), detected }
}

function groupsOf(
  languages: readonly (string | null)[],
): { from: number; to: number; language: string | null }[] {
  const groups: { from: number; to: number; language: string | null }[] = []
  for (const [at, language] of languages.entries()) {
    const last = groups.at(-1)
    if (last?.language === language) last.to = at + 1
    else groups.push({ from: at, to: at + 1, language })
  }
  return groups
}
