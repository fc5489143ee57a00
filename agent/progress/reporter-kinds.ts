import type { Progress } from './progress.ts'

export type Level = 'debug' | 'info' | 'warn' | 'error'

export interface Activity {
  update(progress: Progress): void
  /** @param text brief: `done in 3.1 s`. */
  done(text: string): void
  failed(why: string): void
  /** On purpose. */
  stopped(why: string): void
}

/** Shows events and progress. Never pass secrets to it. */
export interface Reporter {
  /** Whether it redraws its line on a terminal. */
  readonly isLive?: true
  /** @param facts for machines, with wire names. */
  event(level: Level, message: string, facts?: Record<string, unknown>): void
  begin(id: string, name: string): Activity
  /** The text while no activity is under way; shown on a terminal only. */
  idle(text: string): void
  close(): void
}

/** Reports nothing: for commands whose only output is their result. */
export const SILENT: Reporter = {
  event() {},
  begin: () => ({ update() {}, done() {}, failed() {}, stopped() {} }),
  idle() {},
  close() {},
}

const ORDER: readonly Level[] = ['debug', 'info', 'warn', 'error']

export function isShown(level: Level, least: Level): boolean {
  return ORDER.indexOf(level) >= ORDER.indexOf(least)
}
