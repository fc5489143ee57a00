import { bare, isTextOf, meanProbability } from '../../shared/cut-segment.ts'
import type { Segment, Word } from '../../shared/transcript.ts'
import type { Term } from '../../shared/vocabulary.ts'
import { tokensIn, type Place, type Token } from './words.ts'

/** What was written in place of what the engine has heard. */
export interface Replacement {
  /** The segment's place in the transcript, from 0. */
  segment: number
  /** Seconds: of its first word, where the words have times, else of the segment. */
  start: number
  from: string
  to: string
}

interface Entry {
  tokens: string[]
  /** Between the tokens. */
  gaps: string[]
  term: string
  /** The term as it is written: it stays, also where a part of it is heard as another. */
  isOwn: boolean
}

/** By the first token, the longest first. */
type Entries = ReadonlyMap<string, readonly Entry[]>

/**
 * Writes the terms of a vocabulary where a segment has what they are often heard as: whole words, whatever their case, and
 * whether they are joined by a space or a hyphen. A term in lower case takes the case of what was heard. The engine's text
 * is kept as `raw_text`; words have the times of those that they replace.
 */
export function replaceHeard(
  segments: readonly Segment[],
  vocabulary: readonly Term[],
): { segments: Segment[]; replacements: Replacement[] } {
  const entries = entriesOf(vocabulary)
  const replacements: Replacement[] = []
  const replaced = segments.map((segment, at) => {
    const places = placesIn(segment.text, entries)
    if (places.length === 0) return segment
    const isTimed = isTextOf(segment)
    let { text, words: spoken = [] } = segment
    const found: Replacement[] = []
    // From the last: those before keep their place.
    for (const { start, end, to } of places.toReversed()) {
      const group = isTimed ? groupAt(spoken, text, start, end) : null
      const from = text.slice(start, end)
      found.unshift({ segment: at, start: group?.words[0]!.start ?? segment.start, from, to })
      text = `${text.slice(0, start)}${to}${text.slice(end)}`
      if (group !== null)
        spoken = spoken.toSpliced(group.first, group.words.length, ...timed(group, to))
    }
    replacements.push(...found)
    return { ...segment, text, ...(isTimed && { words: spoken }), raw_text: segment.text }
  })
  return { segments: replaced, replacements }
}

function entriesOf(vocabulary: readonly Term[]): Entries {
  const byText = new Map<string, Entry>()
  const add = (heard: string, term: string, isOwn: boolean): void => {
    const tokens = tokensIn(heard)
    const folded = tokens.map((token) => token.folded)
    const gaps = gapsOf(heard, tokens)
    const key = JSON.stringify([folded, gaps])
    const before = byText.get(key)
    // What is first, wins; a term may be heard as itself in another case.
    if (before !== undefined && !(before.isOwn && before.term === term)) return
    if (tokens.length > 0) byText.set(key, { tokens: folded, gaps, term, isOwn })
  }
  for (const { term, heard_as: heard } of vocabulary) {
    add(term, term, true)
    for (const one of heard) add(one, term, false)
  }
  const entries = new Map<string, Entry[]>()
  for (const entry of byText.values()) {
    const first = entry.tokens[0]!
    entries.set(first, [...(entries.get(first) ?? []), entry])
  }
  for (const list of entries.values()) list.sort((a, b) => b.tokens.length - a.tokens.length)
  return entries
}

function placesIn(text: string, entries: Entries): (Place & { to: string })[] {
  if (entries.size === 0) return []
  const tokens = tokensIn(text)
  const isShouted = tokens.length > 2 && text !== text.toLowerCase() && text === text.toUpperCase()
  const places: (Place & { to: string })[] = []
  for (let at = 0; at < tokens.length;) {
    const entry = entries.get(tokens[at]!.folded)?.find((one) => isAt(one, text, tokens, at))
    const size = entry?.tokens.length ?? 1
    const [start, end] = [tokens[at]!.start, tokens[at + size - 1]!.end]
    at += size
    if (entry === undefined || entry.isOwn) continue
    const from = text.slice(start, end)
    const to = isShouted ? entry.term.toUpperCase() : casedAs(from, entry.term)
    if (to !== from) places.push({ start, end, to })
  }
  return places
}

function isAt(
  { tokens, gaps }: Entry,
  text: string,
  spoken: readonly Token[],
  at: number,
): boolean {
  return tokens.every((token, i) => {
    const one = spoken[at + i]
    if (one?.folded !== token) return false
    return i === 0 || gapBetween(text, spoken[at + i - 1]!, one) === gaps[i - 1]
  })
}

/** A term without capitals of its own begins as what it replaces. */
function casedAs(heard: string, term: string): string {
  if (term !== term.toLowerCase()) return term
  if (heard.length > 1 && heard !== heard.toLowerCase() && heard === heard.toUpperCase())
    return term.toUpperCase()
  const [first = ''] = heard
  return first === first.toLowerCase() ? term : `${term[0]!.toUpperCase()}${term.slice(1)}`
}

function gapsOf(text: string, tokens: readonly Token[]): string[] {
  return tokens.slice(1).map((token, i) => gapBetween(text, tokens[i]!, token))
}

function gapBetween(text: string, one: Place, next: Place): string {
  return text
    .slice(one.end, next.start)
    .replaceAll('’', "'")
    .replaceAll(/[\s‐-―-]+/gu, ' ')
}

/** The words that a part of a text lies in, and what they have around it. */
interface Group {
  first: number
  words: Word[]
  before: string
  after: string
}

function groupAt(spoken: readonly Word[], text: string, start: number, end: number): Group {
  const from = bare(text.slice(0, start)).length
  const to = bare(text.slice(0, end)).length
  let at = 0
  const spans = spoken.map((word) => ({ word, start: at, end: (at += bare(word.text).length) }))
  const within = spans.filter((one) => one.end > from && one.start < to)
  return {
    first: spans.indexOf(within[0]!),
    words: within.map(({ word }) => word),
    before: bare(within[0]!.word.text).slice(0, from - within[0]!.start),
    after: bare(within.at(-1)!.word.text).slice(to - within.at(-1)!.start),
  }
}

/** As many words as there were keep their times; else they share the time of all, by their length. */
function timed({ words: old, before, after }: Group, to: string): Word[] {
  const texts = `${before}${to}${after}`.split(/\s+/u)
  if (texts.length === old.length) return texts.map((text, i) => ({ ...old[i]!, text }))
  const [start, end] = [old[0]!.start, old.at(-1)!.end]
  const total = bare(texts.join('')).length
  const probability = meanProbability(old)
  let length = 0
  const timeAt = (chars: number): number => {
    const at = Math.round((start + ((end - start) * chars) / total) * 1000) / 1000
    return Math.min(end, Math.max(start, at))
  }
  return texts.map((text, i) => ({
    start: i === 0 ? start : timeAt(length),
    end: i === texts.length - 1 ? end : timeAt((length += text.length)),
    text,
    ...(probability === null ? {} : { probability }),
  }))
}
