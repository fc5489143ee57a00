import { parentPort } from 'node:worker_threads'
import { AppError, messageOf, type ErrorCode, type Problem } from '../../shared/errors.ts'
import type { ReceivedHeartbeat } from './heartbeat-work.ts'
import { THREAD_WORK } from './thread-work.ts'
import type { ReceivedResult } from './transcript-work.ts'

/** A piece of work, as it comes to the thread. */
interface Given {
  name: keyof typeof THREAD_WORK
  input: never
}

/** What came of it. */
export type Outcome =
  | { value: unknown }
  | {
      failure: {
        /** Ours; null: something else went wrong. */
        code: ErrorCode | null
        message: string
        problems?: readonly Problem[]
        /** The system's. */
        system?: string
        isSyntax?: boolean
      }
    }

parentPort?.on('message', ({ name, input }: Given) => {
  const outcome = outcomeOf(() => THREAD_WORK[name](input))
  parentPort!.postMessage(outcome, 'value' in outcome ? givenAway(outcome.value) : [])
})

function outcomeOf(work: () => unknown): Outcome {
  try {
    return { value: work() }
  } catch (error) {
    const message = messageOf(error)
    if (error instanceof AppError) {
      const { code, problems } = error
      return { failure: { code, message, ...(problems !== undefined && { problems }) } }
    }
    const system = error instanceof Error && 'code' in error ? { system: String(error.code) } : {}
    return {
      failure: { code: null, message, isSyntax: error instanceof SyntaxError, ...system },
    }
  }
}

/** The bytes in what came of it: they are not copied. */
function givenAway(value: unknown): ArrayBuffer[] {
  const { packed, beats = [] } = (value ?? {}) as Partial<ReceivedResult & ReceivedHeartbeat>
  const all = [packed?.json, ...beats.map(({ checkpoint }) => checkpoint), value]
  return all.filter((one) => one instanceof Uint8Array).map(({ buffer }) => buffer as ArrayBuffer)
}
