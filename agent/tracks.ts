import type { AudioTrack, MediaInfo, SubtitleTrack } from './media-info.ts'

/** A language as a tag or a person writes it (`ger`, `de-AT`) as ISO 639-1 where it has such a code, else null. */
export function languageCode(text: string | null): string | null {
  try {
    return text === null
      ? null
      : (new Intl.Locale(text.trim().replaceAll('_', '-')).language ?? null)
  } catch {
    return null
  }
}

/** The track to hear: the first in the language asked for, else the one the file itself prefers, else the first. */
export function chooseTrack(
  tracks: readonly AudioTrack[],
  language: string | null,
): AudioTrack | null {
  const wanted = languageCode(language)
  const match = tracks.find((track) => wanted !== null && languageCode(track.language) === wanted)
  return match ?? tracks.find((track) => track.default) ?? tracks[0] ?? null
}

/** The subtitles to read: text, in the language asked for if there are such. */
export function chooseSubtitles(
  tracks: readonly SubtitleTrack[],
  language: string | null,
): SubtitleTrack | null {
  const readable = tracks.filter((track) => track.text)
  const wanted = languageCode(language)
  const match = readable.find((track) => wanted !== null && languageCode(track.language) === wanted)
  return match ?? readable[0] ?? null
}

export interface Found {
  kind: 'audio' | 'video'
  media: MediaInfo
  /** What was heard, or null when nothing was there to hear. */
  track: AudioTrack | null
  /** How much of it could be decoded. */
  heardSeconds: number
  /** What was read in its place. */
  subtitles: SubtitleTrack | null
}

/** Raw streams carry no length: ffprobe guesses it from the first frames. */
const GUESSED = new Set(['aac', 'ac3', 'eac3', 'amr', 'dts', 'mpegts'])

/** What a person should know about how a text came about; empty when all was as expected. */
export function warningsOf({ kind, media, track, heardSeconds, subtitles }: Found): string[] {
  const warnings: string[] = []
  if (kind === 'video' && media.video === null) {
    warnings.push('The file was sent as video but has no moving picture.')
  }
  if (kind === 'audio' && media.video !== null) {
    warnings.push('The file was sent as audio but is a video: only its sound was used.')
  }
  if (track === null) {
    const text =
      subtitles === null ? 'only its chapters are given' : `the text is ${name(subtitles)}`
    warnings.push(`The file has no sound to hear: ${text}.`)
    return warnings
  }
  if (media.audio.length > 1) {
    const which = `${track.index + 1}${track.language === null ? '' : ` (${track.language})`}`
    warnings.push(`The file has ${media.audio.length} audio tracks: track ${which} was used.`)
  }
  const claimed = media.durationSeconds
  if (!GUESSED.has(media.format) && claimed - heardSeconds > Math.max(1, claimed * 0.02)) {
    const [heard, whole] = [heardSeconds, claimed].map((seconds) => seconds.toFixed(1))
    warnings.push(`Its sound ends at ${heard} s of ${whole} s: the file may be cut off or damaged.`)
  }
  return warnings
}

function name({ index, language }: SubtitleTrack): string {
  return `its subtitle track ${index + 1}${language === null ? '' : ` (${language})`}`
}
