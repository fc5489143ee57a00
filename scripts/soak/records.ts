import { createHash } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import path from 'node:path'
import type { Deed } from '../../test/faults/history.ts'
import type { Span } from './pauses.ts'

type Bare<D> = D extends Deed ? Omit<D, 'askedAt' | 'answeredAt' | 'answer'> : never

/** The requests of all clients of a run, with the answers. */
export class Records {
  readonly deeds: Deed[] = []
  /** How often each fault was caused, or met. */
  readonly counts = new Map<string, number>()
  /** Answers that are wrong. */
  readonly surprises: string[] = []
  readonly created = new Set<string>()
  /** Jobs that were created with a webhook. */
  readonly hooked = new Set<string>()
  /** Jobs whose webhook was called. */
  readonly notified = new Set<string>()
  /** By {@link attemptKey}, when a worker was at an attempt. */
  readonly working = new Map<string, Span>()

  add(deed: Bare<Deed>, askedAt: number, answer: Deed['answer']): void {
    this.deeds.push({ ...deed, askedAt, answeredAt: Date.now(), answer } as Deed)
  }

  count(what: string): void {
    this.counts.set(what, this.of(what) + 1)
  }

  of(what: string): number {
    return this.counts.get(what) ?? 0
  }

  /** Writes `deeds.ndjson`, to find what went wrong. */
  async write(folder: string): Promise<void> {
    const lines = this.deeds.map((deed) => `${JSON.stringify(deed)}\n`)
    await writeFile(path.join(folder, 'deeds.ndjson'), lines.join(''))
  }
}

/** A short name for a text, so that a run of hours does not have to keep it. */
export function nameOf(content: string): string {
  return createHash('sha256').update(content).digest('hex').slice(0, 16)
}
