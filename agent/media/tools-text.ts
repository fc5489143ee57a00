import { findLimiter, type Limiter } from './child-limits.ts'
import type { Origin, Tools } from './find-ffmpeg.ts'
import type { Lock, MediaTools, Sandbox } from './sandbox.ts'

/** Programs that read untrusted files need the fixes of the last years. */
const MOST_YEARS = 3

export const ORIGINS: Record<Origin, string> = {
  setting: 'named by a setting',
  path: 'from PATH',
  fetched: 'fetched from PyPI',
  npm: 'from the npm packages',
}

/**
 * ffmpeg's version, year, origin and sandbox.
 * @param limiter null: none.
 */
export function toolsText(
  { version, year, origin, ...lock }: MediaTools,
  limiter = findLimiter(),
): string {
  const age = year === null ? 'its year unknown' : `of ${year}`
  return `ffmpeg ${version}, ${age}, ${ORIGINS[origin]}, ${lockText(lock, limiter)}`
}

export function lockText(
  { sandbox, unlocked }: Partial<Lock>,
  limiter: Limiter | null = findLimiter(),
): string {
  return sandbox == null ? unlockedText(unlocked, limiter) : lockedText(sandbox)
}

function lockedText({ unshare }: Sandbox): string {
  const lacks = unshare.includes('--unshare-all')
    ? ''
    : ', without namespaces for processes, which this host does not allow'
  return `in a sandbox (bubblewrap${lacks})`
}

function unlockedText(why: string | undefined, limiter: Limiter | null): string {
  const left =
    limiter === null ? 'without any limits' : 'within limits of time and memory alone (prlimit)'
  return `without a sandbox, ${left}${why === undefined ? '' : `: ${why}`}`
}

/**
 * Null for tools that are new enough.
 * @param thisYear of the calendar.
 */
export function ageProblem(
  { version, year, origin }: Tools,
  thisYear: number,
): { text: string; fix: string } | null {
  if (year === null || thisYear - year <= MOST_YEARS) return null
  const text = `ffmpeg ${version} or its ffprobe is of ${year} (${ORIGINS[origin]}): it lacks years of fixes, and reads untrusted files`
  const fix =
    origin === 'npm'
      ? "Install your system's ffmpeg, or name a current one with --ffmpeg."
      : 'Update it, or get a current one with: morag-agent models pull ffmpeg, and name it with --ffmpeg.'
  return { text, fix }
}
