import { parentPort } from 'node:worker_threads'
import { AppError, messageOf, type ErrorCode, type Problem } from '../../shared/errors.ts'
import { HEARTBEAT_WORK, type ReceivedHeartbeat } from './heartbeat-work.ts'
import { TRANSCRIPT_WORK, type ReceivedResult } from './transcript-work.ts'

/** Work that would block the event loop for too long. */
const THREAD_WORK = { ...TRANSCRIPT_WORK, ...HEARTBEAT_WORK }

export type ThreadWork = typeof THREAD_WORK

interface Task {
  name: keyof ThreadWork
  input: never
}

export type Outcome =
  | { value: unknown }
  | {
      failure: {
        /** Null: not an {@link AppError}. */
        code: ErrorCode | null
        message: string
        problems?: readonly Problem[] | undefined
        /** A system error's code. */
        system?: string
        isSyntax?: boolean
      }
    }

parentPort?.on('message', ({ name, input }: Task) => {
  const outcome = outcomeOf(() => THREAD_WORK[name](input))
  parentPort!.postMessage(outcome, 'value' in outcome ? transferable(outcome.value) : [])
})

function outcomeOf(work: () => unknown): Outcome {
  try {
    return { value: work() }
  } catch (error) {
    const message = messageOf(error)
    if (error instanceof AppError) {
      const { code, problems } = error
      return { failure: { code, message, problems } }
    }
    const system = error instanceof Error && 'code' in error ? { system: String(error.code) } : {}
    return {
      failure: { code: null, message, isSyntax: error instanceof SyntaxError, ...system },
    }
  }
}

/** The buffers in an outcome, which are moved instead of copied. */
function transferable(value: unknown): ArrayBuffer[] {
  const { packed, beats = [] } = (value ?? {}) as Partial<ReceivedResult & ReceivedHeartbeat>
  const all = [packed?.json, ...beats.map(({ checkpoint }) => checkpoint), value]
  return all.filter((one) => one instanceof Uint8Array).map(({ buffer }) => buffer as ArrayBuffer)
}
