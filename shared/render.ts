import { printable } from './printable.ts'
import type { Segment } from './transcript.ts'

/** SubRip (`.srt`): numbered cues, `HH:MM:SS,mmm` times, the speaker as `Name: `. */
export function renderSrt(segments: readonly Segment[]): string {
  const cues = spoken(segments).map((segment, index) => {
    const who = segment.speaker === undefined ? '' : `${oneLine(segment.speaker)}: `
    return `${index + 1}\n${cueTime(segment.start, ',')} --> ${cueTime(segment.end, ',')}\n${who}${oneLine(segment.text)}\n`
  })
  return cues.join('\n')
}

/** WebVTT (`.vtt`): the speaker as a voice span, `&`, `<` and `>` escaped (https://www.w3.org/TR/webvtt1/). */
export function renderVtt(segments: readonly Segment[]): string {
  const cues = spoken(segments).map((segment) => {
    const who = segment.speaker === undefined ? '' : `<v ${escapeVtt(oneLine(segment.speaker))}>`
    return `${cueTime(segment.start, '.')} --> ${cueTime(segment.end, '.')}\n${who}${escapeVtt(oneLine(segment.text))}\n`
  })
  return ['WEBVTT\n', ...cues].join('\n')
}

/** Plain text: a line per segment, the speaker before it when there is one. */
export function renderText(segments: readonly Segment[]): string {
  const lines = spoken(segments).map(({ speaker, text }) =>
    speaker === undefined ? oneLine(text) : `${oneLine(speaker)}: ${oneLine(text)}`,
  )
  return lines.length === 0 ? '' : `${lines.join('\n')}\n`
}

/** The segments that say something. */
export function spoken(segments: readonly Segment[]): Segment[] {
  return segments.filter(({ text }) => oneLine(text) !== '')
}

/** Text on one line, as it may be shown: a transcript may hold whatever an engine printed. */
export function oneLine(text: string): string {
  return printable(text)
}

function cueTime(seconds: number, decimal: ',' | '.'): string {
  const ms = Math.max(0, Math.round(seconds * 1000))
  const pad = (n: number, width = 2): string => String(n).padStart(width, '0')
  const clock = [ms / 3_600_000, (ms / 60_000) % 60, (ms / 1000) % 60].map((n) =>
    pad(Math.floor(n)),
  )
  return `${clock.join(':')}${decimal}${pad(ms % 1000, 3)}`
}

function escapeVtt(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
}
