import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import type { TestContext } from 'node:test'
import {
  startCoordinator,
  type RunningCoordinator,
  type RunOptions,
} from '../../scripts/processes.ts'
import { Asking } from './asking.ts'

/** A data folder, and the coordinators on it, one after the other. All of it goes with the test. */
export class Place {
  readonly folder = mkdtempSync(path.join(os.tmpdir(), 'morag-test-'))
  readonly dataDir = path.join(this.folder, 'data')
  /** In the media root. */
  readonly file = path.join(this.folder, 'talk.mp3')
  readonly #started: RunningCoordinator[] = []

  constructor(t: TestContext) {
    writeFileSync(this.file, 'the bytes of a talk')
    t.after(async () => {
      // First: a folder that somebody writes to cannot be removed.
      await this.kill()
      rmSync(this.folder, { recursive: true, force: true })
    })
  }

  /** The newest. */
  get running(): RunningCoordinator {
    return this.#started.at(-1)!
  }

  async start(options: RunOptions & { args?: readonly string[] } = {}): Promise<Asking> {
    this.#started.push(await startCoordinator(this.dataDir, this.folder, options))
    return new Asking(this.running.url)
  }

  async kill(): Promise<void> {
    for (const one of this.#started) one.signal('SIGKILL')
    await Promise.all(this.#started.map(({ ended }) => ended))
  }
}
