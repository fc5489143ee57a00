import { formatTimestamp } from './duration.ts'
import { printable } from './printable.ts'
import { spoken } from './render.ts'
import { speakerInMarkdown } from './speaker-names.ts'
import type { Segment } from './transcript.ts'

export interface Content {
  kind: 'audio' | 'video'
  filename: string
  durationSeconds: number
  /** ISO 639-1; null: unknown. */
  language: string | null
  segments: readonly Segment[]
  chapters: readonly { startSeconds: number; title: string }[]
  video: { width: number; height: number; fps: number; codec: string } | null
  audio: { codec: string; sampleRate: number; channels: number } | null
}

/** The Markdown that MoRAG's ingestion reads. Unknown facts are left out. */
export function renderMarkdown(content: Content): string {
  const [title, about, facts, heading] =
    content.kind === 'audio'
      ? ['Audio Transcription', 'Metadata', audioFacts(content), 'Detailed Transcript']
      : ['Video Analysis', 'Video Information', videoFacts(content), 'Transcript']
  const list = facts
    .filter(([, value]) => value !== null)
    .map(([name, value]) => `- **${name}**: ${printable(String(value))}`)
  const parts = [
    `# ${title}: ${printable(content.filename)}`,
    `## ${about}`,
    list.join('\n'),
    `## ${heading}`,
    ...transcript(content),
  ]
  return `${parts.filter((part) => part !== '').join('\n\n')}\n`
}

type Fact = [name: string, value: string | number | null]

function audioFacts({ durationSeconds, language, segments }: Content): Fact[] {
  const speakers = speakersOf(segments)
  return [
    ['Duration', formatTimestamp(durationSeconds)],
    ['Language', language],
    ['Num Speakers', speakers.length || null],
    ['Speakers', speakers.map(speakerInMarkdown).join(', ') || null],
    ['Word Count', wordCount(segments)],
  ]
}

function videoFacts({ durationSeconds, video, audio }: Content): Fact[] {
  const channels = audio?.channels === 1 ? '1 channel' : `${audio?.channels} channels`
  return [
    ['Duration', formatTimestamp(durationSeconds)],
    ['Resolution', video && `${video.width}x${video.height}`],
    ['Frame Rate', video && video.fps > 0 ? `${Number(video.fps.toFixed(3))} fps` : null],
    ['Video Codec', video && video.codec],
    ['Audio Codec', audio && audio.codec],
    ['Audio', audio === null ? 'none' : `${audio.sampleRate} Hz, ${channels}`],
  ]
}

function transcript({ segments, chapters }: Content): string[] {
  const blocks: string[] = []
  let next = 0
  const lines = spoken(segments)
  const linesBefore = (seconds: number): string => {
    const from = next
    while (next < lines.length && (lines[next]?.start ?? 0) < seconds) next++
    return lines.slice(from, next).map(line).join('\n')
  }
  for (const [i, { startSeconds, title }] of chapters.entries()) {
    const name = printable(title) || `Chapter ${i + 1}`
    blocks.push(linesBefore(startSeconds), `# ${name} [${Math.floor(startSeconds)}]`)
  }
  blocks.push(linesBefore(Infinity))
  return blocks
}

function line({ start, speaker, text }: Segment): string {
  const who = speaker === undefined ? '' : `[${speakerInMarkdown(speaker)}]`
  return `[${formatTimestamp(start)}]${who} ${printable(text)}`
}

/** In the order of their first words. */
export function speakersOf(segments: readonly Segment[]): string[] {
  const speakers = spoken(segments).map(({ speaker }) => speaker)
  return [...new Set(speakers.filter((speaker) => speaker !== undefined))]
}

export function wordCount(segments: readonly Segment[]): number {
  return spoken(segments)
    .flatMap(({ text }) => printable(text).split(' '))
    .reduce((sum, word) => sum + (UNSPACED.test(word) ? wordsWithin(word) : 1), 0)
}

const UNSPACED =
  /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}\p{Script=Lao}\p{Script=Khmer}\p{Script=Myanmar}]/u
const words = new Intl.Segmenter(undefined, { granularity: 'word' })

function wordsWithin(text: string): number {
  return [...words.segment(text)].filter(({ isWordLike }) => isWordLike).length
}
