import { AppError } from '../../shared/errors.ts'
import { languageCode } from '../../shared/languages.ts'
import { printable } from '../../shared/printable.ts'
import type { JobOptions } from '../job-options.ts'
import type { TranscribedMedia } from '../transcription/conversion.ts'
import { extractSubtitles } from '../media/extract-subtitles.ts'
import type { MediaInfo, SubtitleTrack } from '../media/media-info.ts'
import type { MediaTools } from '../media/sandbox.ts'
import { chooseSubtitles, subtitlesInstead } from '../media/tracks.ts'

export function subtitlesToPrefer(media: MediaInfo, options: JobOptions): SubtitleTrack | null {
  return options.preferSubtitles === true
    ? subtitlesInstead(media.subtitles, options.language)
    : null
}

/**
 * The transcript of a file without usable audio: its subtitles, or its chapters alone.
 * @throws {AppError} `no_audio` when it has neither.
 */
export async function readSubtitles(
  tools: MediaTools,
  { sourcePath, filename, signal }: { sourcePath: string; filename: string; signal: AbortSignal },
  media: MediaInfo,
  preferred: SubtitleTrack | null,
  { language }: JobOptions,
): Promise<TranscribedMedia> {
  const subtitles = preferred ?? chooseSubtitles(media.subtitles, language)
  if (subtitles === null && media.chapters.length === 0) {
    throw new AppError(
      'no_audio',
      `'${printable(filename)}' has nothing to transcribe: no audio track, subtitles or chapters.`,
    )
  }
  const segments =
    subtitles === null
      ? []
      : await extractSubtitles(tools, sourcePath, subtitles.index, {
          signal,
          opening: media.opening ?? [],
        })
  const transcript = {
    language: languageCode(subtitles?.language ?? null),
    durationSeconds: media.durationSeconds,
    segments,
  }
  return { transcript, track: null, decodedSeconds: 0, subtitles, engine: null, warnings: [] }
}
