import { formatTimestamp } from '../../shared/duration.ts'
import { languageCode } from '../../shared/languages.ts'
import type { AudioTrack, MediaInfo, SubtitleTrack } from './media-info.ts'

/**
 * The subtitles to read: text, preferably in that language. Of several, those that are closest to what is said in the
 * film.
 */
export function chooseSubtitles(
  tracks: readonly SubtitleTrack[],
  language: string | null,
): SubtitleTrack | null {
  const readable = tracks.filter((track) => track.text).toSorted((a, b) => detour(a) - detour(b))
  return inLanguage(readable, language)[0] ?? readable[0] ?? null
}

/**
 * The subtitles to read in place of the sound: as `chooseSubtitles`, but complete and in that language. Null:
 * transcribe the sound.
 */
export function subtitlesInstead(
  tracks: readonly SubtitleTrack[],
  language: string | null,
): SubtitleTrack | null {
  const whole = tracks.filter(({ forced, commentary }) => !forced && !commentary)
  return chooseSubtitles(language === null ? whole : inLanguage(whole, language), language)
}

/** A track's distance from what is said in the film. */
function detour({ hearingImpaired, forced, commentary }: SubtitleTrack): number {
  return (commentary ? 4 : 0) + (forced ? 2 : 0) + (hearingImpaired ? 1 : 0)
}

export function inLanguage<T extends { language: string | null }>(
  tracks: readonly T[],
  language: string | null,
): T[] {
  const code = languageCode(language)
  return code === null ? [] : tracks.filter((track) => languageCode(track.language) === code)
}

export interface Found {
  kind: 'audio' | 'video'
  media: MediaInfo
  /** The transcribed track, if any. */
  track: AudioTrack | null
  /** How much of it could be decoded. */
  decodedSeconds: number
  subtitles: SubtitleTrack | null
  /** The job prefers subtitles to the sound. */
  preferred?: boolean
  /** The file's clock was set while it was recorded: its claimed length is useless. */
  clockJumps?: boolean
}

/** Raw streams have no length: ffprobe estimates it from the first frames. */
const GUESSED = new Set(['aac', 'ac3', 'eac3', 'amr', 'dts'])

function isGuess({ media: { format, isLengthGuessed }, clockJumps }: Found): boolean {
  return isLengthGuessed === true || clockJumps === true || GUESSED.has(format)
}

/** Larger claims are shown as this: a thousand hours. */
const MOST_CLAIMED_SECONDS = 3_600_000

/** Sentences for people; empty when all was as expected. */
export function warningsOf(found: Found): string[] {
  const { media, track, decodedSeconds, subtitles } = found
  const warnings = fileWarnings(found)
  if (track === null && subtitles !== null && found.preferred) {
    warnings.push(
      `The text is the file's subtitle track ${trackName(subtitles)}: its sound was not transcribed.`,
    )
    return warnings
  }
  if (track === null) {
    const text =
      subtitles === null
        ? 'only its chapters are given'
        : `the text is its subtitle track ${trackName(subtitles)}`
    warnings.push(`The file has no sound to transcribe: ${text}.`)
    return warnings
  }
  const claimed = Math.min(media.durationSeconds, track.durationSeconds ?? Infinity)
  if (!isGuess(found) && claimed - decodedSeconds > Math.max(1, claimed * 0.02)) {
    const [decoded, whole] = [decodedSeconds, claimed].map((seconds) => seconds.toFixed(1))
    warnings.push(
      `Its sound ends at ${decoded} s of ${whole} s: the file may be cut off or damaged.`,
    )
  } else if (media.isCutOff === true) {
    warnings.push('The file has less sound than its header claims: it may be cut off or damaged.')
  }
  return warnings
}

function fileWarnings({ kind, media }: Found): string[] {
  const warnings: string[] = []
  if (kind === 'video' && media.video === null) {
    warnings.push('The file was sent as video but has no moving picture.')
  }
  if (kind === 'audio' && media.video !== null) {
    warnings.push('The file was sent as audio but is a video: only its sound was used.')
  }
  if (media.claimedSeconds !== undefined) {
    const said = formatTimestamp(Math.min(media.claimedSeconds, MOST_CLAIMED_SECONDS))
    warnings.push(`The file claims a length of ${said}, more than a file of its size can hold.`)
  }
  if (media.note !== undefined) warnings.push(media.note)
  return warnings
}

export function trackName({ index, language }: { index: number; language: string | null }): string {
  return `${index + 1}${language === null ? '' : ` (${language})`}`
}
