import { z } from 'zod'
import { printable } from '../../shared/printable.ts'

/** What ffprobe is asked for (`-show_entries`). */
export const PROBED = [
  'format=format_name,start_time,duration,size,bit_rate:format_tags=major_brand,creation_time',
  'stream=codec_type,codec_name,sample_rate,channels,channel_layout,bits_per_sample,bits_per_raw_sample,width,height,avg_frame_rate,r_frame_rate,duration,start_time',
  'stream_disposition:stream_tags=language,title,handler_name,DURATION',
  'chapter=start_time,end_time:chapter_tags=title',
].join(':')

/** So much is kept of a title, and so many chapters: the longest audio books have some hundreds. */
const MOST_TITLE = 300
export const MOST_CHAPTERS = 2000
/** The longest language tags in use have 35 characters. */
export const MOST_LANGUAGE = 35
/** Sound that nobody could hear or has recorded is a mistake, or meant to be one. */
const RATES = { least: 1000, most: 1_536_000 }
const MOST_CHANNELS = 64

/** Words of whoever made the file: they go into texts and onto terminals. */
const text = z
  .string()
  .transform((words) => printable(words, { most: MOST_TITLE }))
  .catch('')
const number = z.coerce.number().catch(0)
/** What ffprobe prints of that; what is missing or no number is empty or 0. */
export const probed = z.object({
  format: z.object({
    format_name: text,
    start_time: number,
    duration: number,
    size: number,
    bit_rate: number,
    tags: z.record(z.string(), text).catch({}),
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
        tags: z.record(z.string(), text).catch({}),
      }),
    )
    .catch([]),
  chapters: z
    .array(
      z.object({
        start_time: number,
        end_time: number,
        tags: z.record(z.string(), text).catch({}),
      }),
    )
    .catch([]),
})

export type Probed = z.output<typeof probed>

/** Whether a track says of itself what no sound is like. */
export function isAbsurd({
  codec_type,
  sample_rate,
  channels,
}: Pick<Probed['streams'][number], 'codec_type' | 'sample_rate' | 'channels'>): boolean {
  return (
    codec_type === 'audio' &&
    sample_rate > 0 &&
    channels > 0 &&
    (sample_rate < RATES.least || sample_rate > RATES.most || channels > MOST_CHANNELS)
  )
}
