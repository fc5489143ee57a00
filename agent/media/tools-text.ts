import type { Origin, Tools } from './ffmpeg.ts'
import type { MediaTools } from './sandbox.ts'

/** Whoever reads files of strangers is to have the fixes of the last years. */
const MOST_YEARS = 3

/** Where the tools are from, for people. */
export const ORIGINS: Record<Origin, string> = {
  setting: 'named by a setting',
  path: 'from PATH',
  fetched: 'fetched from PyPI',
  npm: 'from the npm packages',
}

/** Which ffmpeg reads the files here, of which year, and locked into what. */
export function toolsText({ version, year, origin, sandbox, unlocked }: MediaTools): string {
  const age = year === null ? 'its year unknown' : `of ${year}`
  const lock =
    sandbox === null || sandbox === undefined
      ? `without a sandbox${unlocked === undefined ? '' : `: ${unlocked}`}`
      : 'in a sandbox (bubblewrap)'
  return `ffmpeg ${version}, ${age}, ${ORIGINS[origin]}, ${lock}`
}

/**
 * What is wrong with tools of long ago, and what to do; null: nothing.
 * @param thisYear of the calendar.
 */
export function ageProblem(
  { version, year, origin }: Tools,
  thisYear: number,
): { text: string; fix: string } | null {
  if (year === null || thisYear - year <= MOST_YEARS) return null
  const text = `ffmpeg ${version} or its ffprobe is of ${year} (${ORIGINS[origin]}): it lacks years of fixes, and reads files of strangers`
  const fix =
    origin === 'npm'
      ? "Install your system's ffmpeg, or name a current one with --ffmpeg."
      : 'Update it, or get a current one with: morag-agent models pull ffmpeg, and name it with --ffmpeg.'
  return { text, fix }
}
