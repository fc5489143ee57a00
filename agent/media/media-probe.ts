import { z } from 'zod'
import { printable } from '../../shared/printable.ts'

/** For ffprobe's `-show_entries`. */
export const PROBED = [
  'format=format_name,start_time,duration,size,bit_rate:format_tags=major_brand,creation_time',
  'stream=codec_type,codec_name,sample_rate,channels,channel_layout,bits_per_sample,bits_per_raw_sample,width,height,avg_frame_rate,r_frame_rate,duration,start_time',
  'stream_disposition:stream_tags=language,title,handler_name,DURATION',
  'chapter=start_time,end_time:chapter_tags=title',
].join(':')

/** The longest audio books have hundreds of chapters. */
const MOST_TITLE = 300
export const MOST_CHAPTERS = 2000
/** The longest tags in use have 35 characters. */
export const MOST_LANGUAGE = 35
/** Other sound is a mistake or an attack. */
const RATES = { least: 1000, most: 1_536_000 }
const MOST_CHANNELS = 64

/** Untrusted text for documents and terminals. */
const text = z
  .string()
  .transform((words) => printable(words, { most: MOST_TITLE }))
  .catch('')
const number = z.coerce.number().catch(0)
const tags = z.record(z.string(), text).catch({})
/** ffprobe's output; what is missing or no number is empty or 0. */
export const probed = z.object({
  format: z.object({
    format_name: text,
    start_time: number,
    duration: number,
    size: number,
    bit_rate: number,
    tags,
  }),
  streams: z
    .array(
      z.object({
        codec_type: text,
        codec_name: text,
        sample_rate: number,
        channels: number,
        channel_layout: text,
        bits_per_sample: number,
        bits_per_raw_sample: number,
        width: number,
        height: number,
        avg_frame_rate: text,
        r_frame_rate: text,
        duration: number,
        start_time: number,
        disposition: z.record(z.string(), number).catch({}),
        tags,
      }),
    )
    .catch([]),
  chapters: z.array(z.object({ start_time: number, end_time: number, tags })).catch([]),
})

export type Probed = z.output<typeof probed>
export type Stream = Probed['streams'][number]

/** Whether a track claims a rate or channels that no sound has. */
export function isAbsurd(stream: Pick<Stream, 'codec_type' | 'sample_rate' | 'channels'>): boolean {
  const { codec_type, sample_rate: rate, channels } = stream
  if (codec_type !== 'audio' || rate <= 0 || channels <= 0) return false
  return rate < RATES.least || rate > RATES.most || channels > MOST_CHANNELS
}
