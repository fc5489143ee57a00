import { z } from 'zod'
import { chaptersOf, segmentsOf } from '../../shared/transcript.ts'
import { renderMarkdown, type Content } from '../../shared/transcript-markdown.ts'

const number = z.number().catch(0)
const text = z.string().catch('')
const facts = z.object({
  file_name: text,
  duration: number,
  language: z.string().nullable().catch(null),
  audio: z.object({ codec: text, sample_rate: number, channels: number }).nullable().catch(null),
})
const picture = z.object({ width: z.number(), height: z.number(), fps: number, codec: text })

/** The Markdown of a transcript from its metadata alone, as {@link renderMarkdown} made it. */
export function markdownOf(metadata: Record<string, unknown>): string {
  const { file_name: filename, duration, language, audio } = facts.parse(metadata)
  const content: Content = {
    // Only films have this key.
    kind: 'has_audio' in metadata ? 'video' : 'audio',
    filename,
    durationSeconds: duration,
    language,
    segments: segmentsOf(metadata) ?? [],
    chapters: chaptersOf(metadata).map(({ start, title }) => ({ startSeconds: start, title })),
    video: picture.safeParse(metadata).data ?? null,
    audio: audio && {
      codec: audio.codec,
      sampleRate: audio.sample_rate,
      channels: audio.channels,
    },
  }
  return renderMarkdown(content)
}
