import type { Progress } from './progress.ts'

export type Level = 'debug' | 'info' | 'warn' | 'error'

/** Something under way that people want to see. */
export interface Activity {
  update(progress: Progress): void
  /** It came to its end; `text` says how, briefly: `done in 3.1 s`. */
  done(text: string): void
  failed(why: string): void
  /** It was stopped on purpose. */
  stopped(why: string): void
}

/** What a program tells of itself. Secrets are not to be passed to it. */
export interface Reporter {
  /** `facts` are for machines: wire names. */
  event(level: Level, message: string, facts?: Record<string, unknown>): void
  begin(id: string, name: string): Activity
  /** What is going on while nothing is; shown on a terminal only. */
  idle(text: string): void
  close(): void
}

const ORDER: readonly Level[] = ['debug', 'info', 'warn', 'error']

/** Whether something of that level is told when `least` is what is wanted. */
export function isShown(level: Level, least: Level): boolean {
  return ORDER.indexOf(level) >= ORDER.indexOf(least)
}
