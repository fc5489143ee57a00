import type { EndedJob } from '../job/job.ts'
import type { Tried } from '../job/continuation.ts'

/**
 * One try of a step that follows a job's end. `id` names that end, the same over every try. What the other side does
 * is an outcome, not an error; an error that is thrown all the same counts as a try that may be repeated.
 */
export type TryStep = (job: EndedJob, id: string, signal: AbortSignal) => Promise<Tried>
