const LINE = /^\s*\[((?:\d+:)?\d\d:\d\d[.,]\d{3}) --> ((?:\d+:)?\d\d:\d\d[.,]\d{3})\]/

/** The times of a line such as `[00:00.000 --> 00:04.320]  Good morning.`, in seconds; null for another line. */
export function segmentLine(line: string): { start: number; end: number } | null {
  const [, start, end] = LINE.exec(line) ?? []
  return start === undefined || end === undefined
    ? null
    : { start: secondsOf(start), end: secondsOf(end) }
}

/** The output without those lines: what somebody says is no message of the program's. */
export function withoutSegments(output: string): string {
  return output
    .split(/\r|\n/)
    .filter((line) => segmentLine(line) === null)
    .join('\n')
}

function secondsOf(clock: string): number {
  const seconds = clock
    .replace(',', '.')
    .split(':')
    .reduce((sum, part) => sum * 60 + Number(part), 0)
  return Math.round(seconds * 1000) / 1000
}
