import { spoken } from '../../shared/render.ts'
import type { Transcript } from '../../shared/transcript.ts'
import type { Artifact } from './artifacts.ts'
import type { EngineInfo } from '../engines/engine.ts'
import { speakersOf, wordCount } from './markdown.ts'
import type { AudioTrack, MediaInfo } from '../media/media-info.ts'
import { speakerStats } from '../diarization/speakers.ts'

/** What a result says of its file, and of how its text was made. */
export interface ResultFacts {
  kind: 'audio' | 'video'
  transcript: Transcript
  /** Null when nothing was recognised: the text is the file's own subtitles. */
  engine: EngineInfo | null
  media: MediaInfo
  /** The track that was heard. */
  track: AudioTrack | null
  warnings: readonly string[]
  /** Files that go with the text. */
  artifacts?: readonly Artifact[]
  fileName: string
  fileSizeBytes: number
  /** SHA-256, in hex. */
  checksum: string
}

/** A result's `metadata`, in the wire's keys. */
export function resultMetadata(facts: ResultFacts): Record<string, unknown> {
  const { kind, transcript, media, track } = facts
  const segments = spoken(transcript.segments)
  const speakers = speakersOf(segments)
  const { languageProbability } = transcript
  return {
    duration: Math.round(transcript.durationSeconds * 1000) / 1000,
    language: transcript.language,
    ...(languageProbability === undefined ? {} : { language_probability: languageProbability }),
    speakers,
    num_speakers: speakers.length,
    ...(speakers.length === 0 ? {} : { speaker_stats: speakerStats(segments) }),
    word_count: wordCount(segments),
    segment_count: segments.length,
    segments,
    engine: facts.engine,
    has_speech: segments.length > 0,
    warnings: facts.warnings,
    file_name: facts.fileName,
    file_size: facts.fileSizeBytes,
    checksum: facts.checksum,
    mime_type: media.mimeType ?? 'application/octet-stream',
    audio: track && {
      codec: track.codec,
      sample_rate: track.sampleRate,
      channels: track.channels,
      track: track.index,
    },
    ...(kind === 'video' && media.video),
    ...listed(facts.artifacts ?? []),
    ...(kind === 'video' || media.chapters.length > 0 ? { chapters: chaptersOf(media) } : {}),
  }
}

function listed(artifacts: readonly Artifact[]): Record<string, unknown> {
  if (artifacts.length === 0) return {}
  return {
    artifacts: artifacts.map(({ name, kind, atSeconds }) => ({
      name,
      kind,
      ...(atSeconds === undefined ? {} : { time: atSeconds }),
    })),
  }
}

function chaptersOf(media: MediaInfo): { start: number; end: number; title: string }[] {
  return media.chapters.map(({ startSeconds, endSeconds, title }) => ({
    start: startSeconds,
    end: endSeconds,
    title,
  }))
}
