import { execa, execaSync, type Options, type SyncOptions } from 'execa'

/** Nothing of our environment goes to a child by itself: it holds keys. */
interface Chosen {
  /** The whole environment: what `childEnv` gives, or less. */
  env: Readonly<Record<string, string>>
}

const ALWAYS = { extendEnv: false, reject: false } as const

/**
 * Starts a program without a shell, as execa does; its end is never an exception. No other way to start one is allowed
 * in our programs (the linter sees to it), so that the environment is always chosen.
 */
export function startChild<const O extends Options & Chosen>(
  file: string,
  args: readonly string[],
  options: O,
) {
  return execa(file, args, { ...options, ...ALWAYS })
}

/** Runs a program that is done at once, and waits for it. */
export function runChildSync<const O extends SyncOptions & Chosen>(
  file: string,
  args: readonly string[],
  options: O,
) {
  return execaSync(file, args, { ...options, ...ALWAYS })
}
