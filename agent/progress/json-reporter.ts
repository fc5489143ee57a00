import { pino } from 'pino'
import { printable } from '../../shared/printable.ts'
import type { Level, Reporter } from './reporter-kinds.ts'

/** JSON lines on standard output. */
export function jsonReporter(level: Level): Reporter {
  const log = pino({ level, base: null, timestamp: pino.stdTimeFunctions.isoTime })
  return {
    event: (at, message, facts = {}) => log[at](facts, printable(message)),
    begin(id, name) {
      const facts = { job_id: id, file: printable(name) }
      let stage = ''
      log.info(facts, 'job begun')
      return {
        update(progress) {
          if (progress.stage === stage) return
          stage = progress.stage
          log.debug({ ...facts, stage, progress: progress.ratio }, 'job stage')
        },
        done: (text) => log.info({ ...facts, outcome: printable(text) }, 'job done'),
        failed: (why) => log.warn({ ...facts, reason: printable(why) }, 'job failed'),
        stopped: (why) => log.info({ ...facts, reason: printable(why) }, 'job stopped'),
      }
    },
    idle() {},
    close() {},
  }
}
