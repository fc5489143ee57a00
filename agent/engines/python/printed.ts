import { clockSeconds } from '../../../shared/duration.ts'
import type { Detected } from '../engine.ts'
import { languageCode } from '../whisper/languages.ts'

type Printed = Detected & { probability: number }

const LINE = /^\s*\[((?:\d+:)?\d\d:\d\d[.,]\d{3}) --> ((?:\d+:)?\d\d:\d\d[.,]\d{3})\]/

/** The times of a line such as `[00:00.000 --> 00:04.320]  Good morning.`, in seconds; null for another line. */
export function segmentLine(line: string): { start: number; end: number } | null {
  const [, start, end] = LINE.exec(line) ?? []
  return start === undefined || end === undefined
    ? null
    : { start: clockSeconds(start), end: clockSeconds(end) }
}

/** Progress by the segments on the standard output, in seconds of the piece. */
export function segmentProgress(line: string, stream: 'stdout' | 'stderr'): number | null {
  return stream === 'stdout' ? (segmentLine(line)?.end ?? null) : null
}

/** The output without the lines of segments: speech is no message of the program. */
export function withoutSegments(output: string): string {
  return output
    .split(/\r|\n/)
    .filter((line) => segmentLine(line) === null)
    .join('\n')
}

/** The lines that begin the next file, and that name its language: name or code, probability. */
export interface DetectionLines {
  /** Looked for only where there are several files: some programs print nothing before a single one. */
  file: RegExp
  language: RegExp
}

/** The languages of `count` files that a program processed in turn, from what it printed. */
export function detectedIn(
  stdout: string,
  count: number,
  lines: DetectionLines,
): (Printed | null)[] {
  const found = Array.from({ length: count }, (): Printed | null => null)
  let file = count === 1 ? 0 : -1
  for (const line of stdout.split(/\r|\n/)) {
    if (count > 1 && lines.file.test(line)) file++
    const [, name, probability] = lines.language.exec(line) ?? []
    if (name === undefined || file < 0 || file >= count) continue
    const language = languageCode(name)
    found[file] =
      language === null ? null : { language, probability: Math.min(1, Number(probability)) }
  }
  return found
}
