import { z } from 'zod'

export const SUBTITLE_KINDS = ['cues', 'plain', 'words'] as const

/** How a transcript becomes subtitles, by the names of a job's options. */
export const SUBTITLE_OPTIONS = {
  subtitles: {
    schema: z.enum(SUBTITLE_KINDS),
    expected: SUBTITLE_KINDS.map((kind) => `'${kind}'`).join(', '),
  },
  max_line_chars: {
    schema: z.int().min(10).max(200),
    expected: 'a whole number from 10 to 200',
  },
  max_lines: { schema: z.int().min(1).max(4), expected: 'a whole number from 1 to 4' },
} as const

export const SUBTITLE_OPTION_NAMES = ['subtitles', 'max_line_chars', 'max_lines'] as const

export interface SubtitleOptions {
  /** `plain`: a cue per segment; `words`: `cues` with the time of each word, in WebVTT. Default: `cues`. */
  subtitles?: (typeof SUBTITLE_KINDS)[number]
  /** Columns: a wide (CJK) character counts twice. Default: 42. */
  maxLineChars?: number
  /** Default: 2. */
  maxLines?: number
}

/** The options of a job, as far as they fit. */
export function subtitleOptionsOf(given: Record<string, unknown>): SubtitleOptions {
  const read = <N extends keyof typeof SUBTITLE_OPTIONS>(
    name: N,
  ): z.output<(typeof SUBTITLE_OPTIONS)[N]['schema']> | undefined =>
    SUBTITLE_OPTIONS[name].schema.safeParse(given[name]).data as never
  const [subtitles, maxLineChars, maxLines] = [
    read('subtitles'),
    read('max_line_chars'),
    read('max_lines'),
  ]
  return {
    ...(subtitles !== undefined && { subtitles }),
    ...(maxLineChars !== undefined && { maxLineChars }),
    ...(maxLines !== undefined && { maxLines }),
  }
}
