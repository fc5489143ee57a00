import { printable } from '../../shared/printable.ts'

/** The widest column, except for the last one. */
const MOST = 48

/** Aligned columns. Control characters in cells are replaced, so that each row stays on its line. */
export function table(headings: readonly string[], rows: readonly (readonly string[])[]): string {
  const cells = [headings, ...rows].map((row) =>
    row.map((cell, i) => printable(cell, i < headings.length - 1 ? { most: MOST } : {}) || '-'),
  )
  const widths = headings.map((_, i) => Math.max(...cells.map((row) => (row[i] ?? '').length)))
  const lines = cells.map((row) =>
    row
      .map((cell, i) => cell.padEnd(widths[i]!))
      .join('  ')
      .trimEnd(),
  )
  return `${lines.join('\n')}\n`
}

/** The age of a timestamp in one unit: `3m`, `2h`, `5d`. */
export function ago(at: number | null, now: number): string {
  if (at === null) return '-'
  const seconds = Math.max(0, Math.round((now - at) / 1000))
  if (seconds < 60) return `${seconds}s`
  if (seconds < 3_600) return `${Math.floor(seconds / 60)}m`
  if (seconds < 86_400) return `${Math.floor(seconds / 3_600)}h`
  return `${Math.floor(seconds / 86_400)}d`
}
