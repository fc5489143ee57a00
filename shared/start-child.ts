import { execa, execaSync, type Options, type SyncOptions } from 'execa'

/** A child inherits nothing of the environment by itself: it holds keys. */
interface Chosen {
  /** The result of `childEnv`, or less. */
  env: Readonly<Record<string, string>>
}

const ALWAYS = { extendEnv: false, reject: false } as const

/**
 * Starts a program without a shell; its end is never an exception. The linter allows no other way, so that the environment
 * is always chosen.
 */
export function startChild<const O extends Options & Chosen>(
  file: string,
  args: readonly string[],
  options: O,
) {
  return execa(file, args, { ...options, ...ALWAYS })
}

/** For programs that end at once. */
export function runChildSync<const O extends SyncOptions & Chosen>(
  file: string,
  args: readonly string[],
  options: O,
) {
  return execaSync(file, args, { ...options, ...ALWAYS })
}
