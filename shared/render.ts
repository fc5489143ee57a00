import { printable } from './printable.ts'
import type { Segment } from './transcript.ts'

/** Plain text: a line per segment, the speaker before it when there is one. */
export function renderText(segments: readonly Segment[]): string {
  const lines = spoken(segments).map(({ speaker, text }) =>
    speaker === undefined ? oneLine(text) : `${oneLine(speaker)}: ${oneLine(text)}`,
  )
  return lines.length === 0 ? '' : `${lines.join('\n')}\n`
}

/**
 * Tab-separated values as Whisper writes them: `start` and `end` in milliseconds, `text`. Where speakers are known, they
 * are a fourth column.
 */
export function renderTsv(segments: readonly Segment[]): string {
  const hasSpeakers = segments.some(({ speaker }) => speaker !== undefined)
  const rows = spoken(segments).map(({ start, end, text, speaker = '' }) => {
    const times = [start, end].map((seconds) => String(Math.round(seconds * 1000)))
    return [...times, oneLine(text), ...(hasSpeakers ? [oneLine(speaker)] : [])]
  })
  const head = ['start', 'end', 'text', ...(hasSpeakers ? ['speaker'] : [])]
  return [head, ...rows].map((row) => `${row.join('\t')}\n`).join('')
}

export function spoken(segments: readonly Segment[]): Segment[] {
  return segments.filter(({ text }) => oneLine(text) !== '')
}

/** On one line, and safe to show: a transcript may hold anything that an engine printed. */
export function oneLine(text: string): string {
  return printable(text)
}

export function cueTime(seconds: number, decimal: ',' | '.'): string {
  const ms = Math.max(0, Math.round(seconds * 1000))
  const pad = (n: number, width = 2): string => String(n).padStart(width, '0')
  const clock = [ms / 3_600_000, (ms / 60_000) % 60, (ms / 1000) % 60].map((n) =>
    pad(Math.floor(n)),
  )
  return `${clock.join(':')}${decimal}${pad(ms % 1000, 3)}`
}

export function escapeVtt(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
}
