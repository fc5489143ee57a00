import path from 'node:path'
import { spoken } from '../../shared/render.ts'
import type { Chapter, Transcript } from '../../shared/transcript.ts'
import type { Artifact } from './artifacts.ts'
import type { EngineInfo } from '../engines/engine.ts'
import { speakersOf, wordCount } from '../../shared/transcript-markdown.ts'
import type { Replacement } from '../quality/replace-heard.ts'
import type { AudioTrack, MediaInfo } from '../media/media-info.ts'
import { roundToMs } from '../../shared/span.ts'
import { speakerStats } from '../diarization/speakers.ts'

export interface ResultFacts {
  kind: 'audio' | 'video'
  transcript: Transcript
  /** Of the vocabulary. */
  replacements?: readonly Replacement[]
  /** Null: the text is the file's own subtitles. */
  engine: EngineInfo | null
  media: MediaInfo
  track: AudioTrack | null
  warnings: readonly string[]
  artifacts?: readonly Artifact[]
  fileName: string
  fileSizeBytes: number
  /** SHA-256, in hex. */
  checksum: string
}

export function resultMetadata(facts: ResultFacts): Record<string, unknown> {
  const { kind, transcript, media, track, replacements = [] } = facts
  const segments = spoken(transcript.segments)
  const speakers = speakersOf(segments)
  const { languageProbability, languages } = transcript
  return {
    duration: roundToMs(transcript.durationSeconds),
    language: transcript.language,
    ...(languageProbability === undefined ? {} : { language_probability: languageProbability }),
    ...(languages === undefined ? {} : { languages }),
    speakers,
    has_speaker_info: speakers.length > 0,
    num_speakers: speakers.length,
    ...(speakers.length === 0 ? {} : { speaker_stats: speakerStats(segments) }),
    word_count: wordCount(segments),
    segment_count: segments.length,
    segments: segments.map((one) => ({ ...one, confidence: one.confidence ?? null })),
    ...(replacements.length === 0 ? {} : { replacements }),
    engine: facts.engine,
    has_speech: segments.length > 0,
    warnings: facts.warnings,
    file_name: facts.fileName,
    source_name: facts.fileName,
    file_extension: path.extname(facts.fileName).slice(1).toLowerCase(),
    file_size: facts.fileSizeBytes,
    checksum: facts.checksum,
    mime_type: media.mimeType ?? 'application/octet-stream',
    audio: track && {
      codec: track.codec,
      sample_rate: track.sampleRate,
      channels: track.channels,
      track: track.index,
    },
    ...(kind === 'video' ? filmFacts(media, track) : soundFacts(track)),
    ...topicFacts(media, transcript.durationSeconds),
    ...listed(facts.artifacts ?? []),
    ...(kind === 'video' || media.chapters.length > 0 ? { chapters: chaptersOf(media) } : {}),
  }
}

/** Fields of the original system's audio results. */
function soundFacts(track: AudioTrack | null): Record<string, unknown> {
  return {
    channels: track?.channels ?? null,
    sample_rate: track?.sampleRate ?? null,
    bit_depth: track?.bitDepth ?? null,
  }
}

/** Fields of the original system's video results. */
function filmFacts(media: MediaInfo, track: AudioTrack | null): Record<string, unknown> {
  return {
    ...media.video,
    format: media.format,
    bitrate: media.bitRate ?? null,
    has_audio: media.audio.length > 0,
    audio_codec: track?.codec ?? media.audio[0]?.codec ?? null,
    creation_time: media.creationTime ?? null,
  }
}

/** The original system's topics are the sections of the text: here, the file's chapters. */
function topicFacts({ chapters }: MediaInfo, durationSeconds: number): Record<string, unknown> {
  const topics = chapters.map(({ startSeconds, endSeconds, title }, i) => {
    const end = endSeconds > startSeconds ? endSeconds : Math.max(startSeconds, durationSeconds)
    return {
      id: `TOPIC_${String(i).padStart(2, '0')}`,
      title,
      start_time: startSeconds,
      end_time: end,
      duration: roundToMs(end - startSeconds),
    }
  })
  return { has_topic_info: topics.length > 0, num_topics: topics.length, topics }
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

function chaptersOf({ chapters }: MediaInfo): Chapter[] {
  return chapters.map(({ startSeconds, endSeconds, title }) => ({
    start: startSeconds,
    end: Math.max(startSeconds, endSeconds),
    title,
  }))
}
