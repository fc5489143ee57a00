import { clockSeconds } from '../../../shared/duration.ts'
import { oneLine } from '../../../shared/render.ts'
import type { RecognisedSegment } from '../../transcription/recognised-segment.ts'

/** Of onnx-asr, whisper.cpp and CrispASR, sherpa-onnx. */
const FORMS = [
  /^\[\s*(?<start>[\d.]+),\s*(?<end>[\d.]+)\]: ?(?<text>.*)$/,
  /^\[(?<start>[\d:]+\.\d+) --> (?<end>[\d:]+\.\d+)\]\s*(?<text>.*)$/,
  /^(?<start>\d+\.\d+) -- (?<end>\d+\.\d+): ?(?<text>.*)$/,
]

/**
 * Reads lines with times: `[  0.5,   2.3]: text`, `[00:00:00.500 --> 00:00:02.300]  text` or `0.500 -- 2.300: text`, as
 * programs print them. Other lines are messages. Null when there is text but no such line.
 */
export function readTimedLines(output: string): RecognisedSegment[] | null {
  const lines = output.split(/\r\n|\r|\n/).filter((line) => line.trim() !== '')
  const segments = lines.flatMap((line) => {
    const { start, end, text } = FORMS.map((form) => form.exec(line)?.groups).find(Boolean) ?? {}
    if (start === undefined || end === undefined || text === undefined) return []
    const from = clockSeconds(start)
    return [{ start: from, end: Math.max(from, clockSeconds(end)), text: oneLine(text) }]
  })
  if (segments.length === 0 && lines.length > 0) return null
  return segments.filter(({ text }) => text !== '')
}
