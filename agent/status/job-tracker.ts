import { timeOfDay } from '../../shared/time-of-day.ts'
import type { Progress } from '../progress/progress.ts'
import type { Activity, Reporter } from '../progress/reporter-kinds.ts'

export interface TrackedJob {
  jobId: string
  filename: string
  stage: string
  /** 0 to 1. */
  progress: number
  startedAt: number
}

/** Attempts since the start, by outcome. */
export interface Ends {
  done: number
  failed: number
  /** Given back, cancelled or lost. */
  stopped: number
}

/** A reporter that also keeps the jobs under way, for `status` and the metrics. */
export class JobTracker implements Reporter {
  readonly ends: Ends = { done: 0, failed: 0, stopped: 0 }
  /** Of the recordings done. */
  mediaSeconds = 0
  readonly #jobs = new Map<object, TrackedJob>()
  readonly #reporter: Reporter
  readonly #now: () => number

  constructor(reporter: Reporter, now: () => number = timeOfDay) {
    this.#reporter = reporter
    this.#now = now
  }

  get jobs(): TrackedJob[] {
    return [...this.#jobs.values()]
  }

  begin(id: string, name: string): Activity {
    const activity = this.#reporter.begin(id, name)
    const key = {}
    const job = { jobId: id, filename: name, stage: 'downloading', progress: 0 }
    this.#jobs.set(key, { ...job, startedAt: this.#now() })
    let last: Progress | null = null
    const end = (how: keyof Ends): void => {
      this.#jobs.delete(key)
      this.ends[how] += 1
    }
    return {
      update: (progress) => {
        last = { ...last, ...progress }
        const { stage, ratio } = progress
        Object.assign(this.#jobs.get(key) ?? {}, { stage, progress: ratio })
        activity.update(progress)
      },
      done: (text) => {
        end('done')
        this.mediaSeconds += last?.mediaSeconds ?? 0
        activity.done(text)
      },
      failed: (why) => {
        end('failed')
        activity.failed(why)
      },
      stopped: (why) => {
        end('stopped')
        activity.stopped(why)
      },
    }
  }

  event: Reporter['event'] = (...args) => this.#reporter.event(...args)
  idle: Reporter['idle'] = (text) => this.#reporter.idle(text)
  close: Reporter['close'] = () => this.#reporter.close()
}
