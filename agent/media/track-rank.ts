import type { AudioTrack } from './media-info.ts'
import { inLanguage, trackName } from './tracks.ts'

/** Found by decoding some of each track, by index. */
export interface TrackFinds {
  unreadable: ReadonlySet<number>
  /** With almost no speech, beside another one. */
  silent: ReadonlySet<number>
  /** With much quieter speech than another one: it may be crosstalk. */
  faint: ReadonlySet<number>
}

export interface TrackWish {
  language: string | null
  /** By its index among the audio tracks, or by its language. */
  wanted: number | string | null
}

export const NO_FINDS: TrackFinds = { unreadable: new Set(), silent: new Set(), faint: new Set() }

/**
 * The tracks to transcribe, the best first; a requested one alone where the file has it. Decodable tracks come first,
 * then those with speech, without commentaries, in the job's language, the file's default, in order.
 */
export function rankTracks(
  tracks: readonly AudioTrack[],
  { language, wanted }: TrackWish,
  finds: TrackFinds = NO_FINDS,
): AudioTrack[] {
  const asked = wantedTracks(tracks, wanted)
  const inJobs = new Set(inLanguage(tracks, language))
  const place = (track: AudioTrack): number[] => [
    Number(isUnreadable(track, finds)),
    Number(finds.silent.has(track.index)),
    Number(finds.faint.has(track.index)),
    Number(track.about !== undefined),
    Number(!inJobs.has(track)),
    Number(!track.default),
    track.index,
  ]
  return [...(asked ?? tracks)].sort((a, b) => compare(place(a), place(b)))
}

function wantedTracks(
  tracks: readonly AudioTrack[],
  wanted: TrackWish['wanted'],
): AudioTrack[] | null {
  if (wanted === null) return null
  const asked =
    typeof wanted === 'number'
      ? tracks.filter(({ index }) => index === wanted)
      : inLanguage(tracks, wanted)
  return asked.length === 0 ? null : asked
}

function compare(a: readonly number[], b: readonly number[]): number {
  const at = a.findIndex((one, i) => one !== b[i])
  return at < 0 ? 0 : a[at]! - b[at]!
}

function isUnreadable({ index, unreadable }: AudioTrack, finds: TrackFinds): boolean {
  return unreadable === true || finds.unreadable.has(index)
}

/** The track that was used and why, and the others; empty without a choice. */
export function trackWarnings(
  tracks: readonly AudioTrack[],
  used: AudioTrack,
  wish: TrackWish,
  finds: TrackFinds,
): string[] {
  const { wanted } = wish
  const missing = wanted !== null && wantedTracks(tracks, wanted) === null
  const warnings: string[] = []
  if (missing) {
    const which =
      typeof wanted === 'number' ? `audio track ${wanted + 1}` : `audio track in '${wanted}'`
    warnings.push(`The file has no ${which}: track ${trackName(used)} was used.`)
  }
  const others = tracks.filter(({ index }) => index !== used.index)
  if (others.length === 0) return warnings
  const why = reason(used, others, missing ? { ...wish, wanted: null } : wish, finds)
  const list = others.map((track) => described(track, finds)).join(', ')
  warnings.push(
    `The file has ${tracks.length} audio tracks: track ${trackName(used)} was used, ${why}. Not used: ${list}.`,
  )
  return warnings
}

function reason(
  used: AudioTrack,
  others: readonly AudioTrack[],
  { language, wanted }: TrackWish,
  finds: TrackFinds,
): string {
  if (wanted !== null) return 'as requested'
  const left = others.filter((track) => !isUnreadable(track, finds))
  if (left.length === 0) return 'the only one that can be decoded'
  const spoken = left.filter(({ index }) => !finds.silent.has(index))
  if (finds.silent.has(used.index)) return 'although it has no speech either'
  if (spoken.length === 0) return 'the only one with speech'
  const loud = spoken.filter(({ index }) => !finds.faint.has(index))
  if (loud.length === 0) return 'the only one with loud speech'
  const plain = loud.filter(({ about }) => about === undefined)
  if (plain.length === 0)
    return 'the only one with speech that is neither commentary nor description'
  const isIn = inLanguage([used], language).length > 0
  if (isIn && inLanguage(plain, language).length < plain.length) return "in the job's language"
  return used.default ? "the file's default" : 'the first'
}

const ABOUT = { commentary: 'commentary', description: 'audio description' } as const
const MOST_TITLE = 60

function described(track: AudioTrack, finds: TrackFinds): string {
  const { index, codec, language, title, about } = track
  const facts = [
    language,
    title === undefined ? null : `"${title.slice(0, MOST_TITLE)}"`,
    about === undefined ? null : ABOUT[about],
    isUnreadable(track, finds) ? `${codec || 'unknown'} cannot be decoded` : null,
    finds.silent.has(index) ? 'almost no speech' : null,
    finds.faint.has(index) ? 'very quiet' : null,
  ].filter((fact) => fact !== null)
  return facts.length === 0 ? String(index + 1) : `${index + 1} (${facts.join(', ')})`
}
