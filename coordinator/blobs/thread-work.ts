import { HEARTBEAT_WORK } from './heartbeat-work.ts'
import { TRANSCRIPT_WORK } from './transcript-work.ts'

/** What is done in a thread where it would hold the event loop for too long. */
export const THREAD_WORK = { ...TRANSCRIPT_WORK, ...HEARTBEAT_WORK }

export type ThreadWork = typeof THREAD_WORK
