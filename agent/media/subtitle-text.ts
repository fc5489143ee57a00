import { clockSeconds } from '../../shared/duration.ts'
import { oneLine } from '../../shared/render.ts'
import type { RecognisedSegment } from '../transcription/recognised-segment.ts'

/** `00:00:01,500 --> 00:00:03,000` in SRT, `00:01.500 --> 00:03.000 align:start` in WebVTT. */
const TIMING =
  /^\s*((?:\d+:)?\d{1,2}:\d{1,2}(?:[.,]\d{1,3})?)\s*-+>\s*((?:\d+:)?\d{1,2}:\d{1,2}(?:[.,]\d{1,3})?)/
const ENTITIES: Record<string, string> = {
  amp: '&',
  lt: '<',
  gt: '>',
  quot: '"',
  apos: "'",
  nbsp: ' ',
  lrm: '',
  rlm: '',
}

interface Cue {
  start: number
  end: number
  lines: string[]
}

/**
 * The cues of SRT or WebVTT as segments, in order of time. Accepts common mistakes: a byte order mark, `\r\n`, missing
 * hours or milliseconds, no blank line between cues. `<v Name>` is the speaker; other tags are dropped. Null for text
 * without cues.
 */
export function parseSubtitles(text: string): RecognisedSegment[] | null {
  const cues: Cue[] = []
  let cue: Cue | null = null
  let hasText = false
  for (const line of text.replace(/^\uFEFF/, '').split(/\r\n|\r|\n/)) {
    const [, start, end] = TIMING.exec(line) ?? []
    if (start !== undefined && end !== undefined) {
      // The next cue's number, when no blank line came between.
      if (cue !== null && /^\s*\d+\s*$/.test(cue.lines.at(-1) ?? '')) cue.lines.pop()
      cue = { start: clockSeconds(start), end: clockSeconds(end), lines: [] }
      cues.push(cue)
    } else if (line.trim() === '') {
      cue = null
    } else if (cue !== null) {
      cue.lines.push(line)
    } else {
      hasText ||= !/^(WEBVTT|NOTE|STYLE|REGION|X-TIMESTAMP|Kind:|Language:|\s*\d+\s*$)/.test(line)
    }
  }
  if (cues.length === 0) return hasText ? null : []
  return cues
    .map(segmentOf)
    .filter((segment) => segment.text !== '')
    .toSorted((a, b) => a.start - b.start || a.end - b.end)
}

function segmentOf({ start, end, lines }: Cue): RecognisedSegment {
  const text = lines.join(' ')
  const speaker = oneLine(plain(/<v(?:\.[^\s>]*)?\s+([^>]+)>/.exec(text)?.[1] ?? ''))
  return {
    start,
    end: Math.max(start, end),
    text: oneLine(plain(text.replaceAll(/<[^<>]*>|\{\\[^}]*\}/g, ''))),
    ...(speaker === '' ? {} : { speaker }),
  }
}

function plain(text: string): string {
  return text.replaceAll(/&(\w+);/g, (whole, name: string) => ENTITIES[name] ?? whole)
}
