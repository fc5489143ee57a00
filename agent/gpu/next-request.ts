import { SECOND } from '../../shared/duration.ts'

/** A large model takes about as long to load: for so long, jobs with the loaded model come first. */
const KEPT_MS = 30 * SECOND

/** What a job needs loaded. */
export interface ModelNeed {
  /** Null: the agent's usual model. Absent: none, so that any slot suits it. */
  model?: string | null
}

/** The model that a slot's engine has loaded, and when another one, or none, was loaded before, in milliseconds. */
export interface Loaded {
  model: string | null
  since: number
}

/**
 * Which of the waiting jobs gets a free slot: the first one that suits the model that is loaded there, while jobs of
 * other models have waited for at most 30 seconds of it; then the first one. So no job waits for longer than 30 seconds
 * of others per model, beside those before it and one that runs.
 * @param waiting in the order of their requests. @param loaded null: nothing.
 */
export function nextRequest<R extends { job: ModelNeed }>(
  waiting: readonly R[],
  loaded: Loaded | null,
  now: number,
): R | undefined {
  const [first] = waiting
  if (loaded === null || now - loaded.since >= KEPT_MS) return first
  return waiting.find(({ job }) => suits(job, loaded)) ?? first
}

export function suits({ model }: ModelNeed, loaded: Loaded | null): boolean {
  return model === undefined || model === loaded?.model
}
