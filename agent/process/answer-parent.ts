import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import { AppError, messageOf } from '../../shared/errors.ts'
import type { FromChild } from './forked-child.ts'

/** A native library blocks the main thread for minutes: this thread notices when the parent is gone. */
const WATCH = `
  const { workerData: parent } = require('node:worker_threads')
  setInterval(() => {
    if (process.ppid !== parent) process.kill(process.pid, 'SIGKILL')
  }, 500)`

/**
 * Makes this process the other side of a `ForkedChild`: it answers each question with what `work` returns or throws,
 * and exits with its parent.
 */
export function answerParent(
  work: (question: unknown, progress: (seconds: number, part?: object) => void) => Promise<unknown>,
): void {
  const send = (message: FromChild): void => {
    process.send?.(message)
  }
  const watching = watchParent()
  const answer = async (question: unknown): Promise<void> => {
    try {
      await watching
      const progress = (seconds: number, part?: object): void =>
        send({ type: 'progress', seconds, part })
      send({ type: 'done', answer: await work(question, progress) })
    } catch (error) {
      const code = error instanceof AppError ? error.code : 'engine_failed'
      send({ type: 'failed', code, message: messageOf(error) })
    }
  }
  process.on('message', (question) => void answer(question))
  process.on('disconnect', () => process.exit())
  if (!process.connected) process.exit()
}

/** Resolves once the thread runs: the main thread may be blocked from then on. */
async function watchParent(): Promise<void> {
  // Without our loader, which the blocked main thread would have to start.
  const watch = new Worker(WATCH, { eval: true, execArgv: [], workerData: process.ppid })
  watch.unref()
  await once(watch, 'online')
}
