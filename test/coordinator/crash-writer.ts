/**
 * Changes jobs through a store as fast as it can, from many sides at once, and says each change on stdout once it is
 * acknowledged: `+ <job id> <status> <attempts>` or `- <job id>`. Somebody kills it.
 */
import { writeSync } from 'node:fs'
import { randomUUID } from 'node:crypto'
import { JobTable } from '../../coordinator/storage/job-table.ts'
import { transition } from '../../coordinator/job/transition.ts'
import type { Job, JobEvent } from '../../coordinator/job/job.ts'
import { HOUR } from '../../shared/duration.ts'
import { isSystemError } from '../../shared/errors.ts'
import { pick, seededRandom } from '../shared/seeded-random.ts'
import { at, CLAIM, failing, NOON, pendingJob, result } from './example-jobs.ts'

const [dir, seed] = process.argv.slice(2)
const random = seededRandom(Number(seed))
/** Goes on so fast that no job has to wait. */
let now = NOON
const store = await JobTable.open({
  dir: dir!,
  now: () => NOON,
  // Small, so that the journal is cut all the time.
  journalBytes: 20_000,
  onError: (message, error) => {
    console.error(message, error)
    process.exit(1)
  },
})

function say(line: string): void {
  // Straight to the pipe: what is said is said, also when the kill comes next.
  const bytes = Buffer.from(`${line}\n`)
  for (let done = 0; done < bytes.length;) {
    try {
      done += writeSync(1, bytes, done)
    } catch (error) {
      // The reader is behind and the pipe is full.
      if (!isSystemError(error, 'EAGAIN')) throw error
    }
  }
}

async function put(job: Job, save: (job: Job) => Promise<void>): Promise<Job> {
  await save(job)
  say(`+ ${job.jobId} ${job.status} ${job.attempts.length}`)
  return job
}

function eventFor(job: Job): JobEvent {
  const attempt = job.attempts.length
  if (job.status === 'pending') return CLAIM
  if (job.status === 'processing') {
    return pick<JobEvent>(random, [
      failing(attempt),
      failing(attempt, 'no_audio'),
      { type: 'release', attempt },
      { type: 'succeed', attempt, result: result('x'.repeat(Math.floor(random() * 2_000))) },
    ])
  }
  return { type: 'retry', reserveFor: null }
}

/** Each side has jobs of its own, so that what it said last of a job is the last that was acknowledged. */
async function side(): Promise<never> {
  const mine = new Map<string, Job>()
  for (;;) {
    const job = random() < 0.3 || mine.size === 0 ? null : pick(random, [...mine.values()])
    if (job === null) {
      const made = pendingJob({ jobId: randomUUID(), maxRetries: 100 })
      mine.set(made.jobId, await put(made, (one) => store.put(one)))
    } else if (job.status === 'completed' || random() < 0.05) {
      await store.remove(job.jobId)
      mine.delete(job.jobId)
      say(`- ${job.jobId}`)
    } else {
      now += HOUR
      mine.set(
        job.jobId,
        await put(transition(job, eventFor(job), at(now)), (one) => store.put(one)),
      )
    }
  }
}

async function checkpoints(): Promise<never> {
  for (;;) {
    await store.checkpoint()
    await new Promise((resolve) => setTimeout(resolve, random() * 20))
  }
}

await Promise.all([...Array.from({ length: 16 }, side), checkpoints()])
