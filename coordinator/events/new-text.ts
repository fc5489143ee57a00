import type { Checkpoints } from '../blobs/checkpoints.ts'
import type { PartialText } from '../blobs/partial-result.ts'
import type { Job } from '../job/job.ts'

type Segments = PartialText['segments']

export interface TextNews extends PartialText {
  jobId: string
  /** The number of the first segment, from 0; those before are as they were. Beyond the last: everything is to be read. */
  first: number
}

/** Where more are new, readers read all of them. */
const MOST_SEGMENTS = 500

/** What is new of the text of running jobs, since it was asked for last. */
export class NewText {
  readonly #checkpoints: Pick<Checkpoints, 'partialText'>
  readonly #known = new Map<string, Segments>()

  constructor(checkpoints: Pick<Checkpoints, 'partialText'>) {
    this.#checkpoints = checkpoints
  }

  /** Null: nothing. */
  async of(job: Job): Promise<TextNews | null> {
    const { jobId } = job
    const found = await this.#checkpoints.partialText(job)
    if (found === null) return null
    const { segments, recognisedUntil } = found
    const known = this.#known.get(jobId) ?? []
    this.#known.set(jobId, segments)
    const changed = segments.findIndex((one, i) => !isSame(one, known[i]))
    if (changed === -1 && segments.length === known.length) return null
    // The last sentence may go on, and so change.
    const from = changed === -1 ? segments.length : changed
    const isMore = segments.length - from > MOST_SEGMENTS
    const first = isMore ? Math.max(segments.length, known.length) + 1 : from
    return { jobId, first, recognisedUntil, segments: segments.slice(first) }
  }

  forget(jobId: string): void {
    this.#known.delete(jobId)
  }
}

function isSame(one: Segments[number], other: Segments[number] | undefined): boolean {
  return (
    one.start === other?.start &&
    one.end === other.end &&
    one.text === other.text &&
    one.speaker === other.speaker
  )
}
