import { cueTime, escapeVtt, oneLine } from './render.ts'
import { chaptersOf } from './transcript.ts'

/**
 * The chapters of a result as WebVTT of the kind `chapters` (https://www.w3.org/TR/webvtt1/#introduction-chapters): a cue
 * with its title for each, up to the next. Without chapters there is no cue.
 */
export function renderChapters(metadata: Record<string, unknown>): string {
  const chapters = chaptersOf(metadata)
  const cues = chapters.flatMap(({ start, end, title }, i) => {
    const next = chapters[i + 1]?.start ?? Infinity
    const until = end > start ? Math.min(end, next) : next
    const last = Number.isFinite(until) ? until : Number(metadata['duration'])
    if (!(last > start)) return []
    const text = escapeVtt(oneLine(title)) || `Chapter ${i + 1}`
    return [`${cueTime(start, '.')} --> ${cueTime(last, '.')}\n${text}\n`]
  })
  return ['WEBVTT\n', ...cues].join('\n')
}
