import { parentPort } from 'node:worker_threads'
import { AppError, messageOf, type ErrorCode, type Problem } from '../../shared/errors.ts'
import { TRANSCRIPT_WORK, type ReceivedResult } from './transcript-work.ts'

/** A piece of work, as it comes to the thread. */
interface Given {
  name: keyof typeof TRANSCRIPT_WORK
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
  const outcome = outcomeOf(() => TRANSCRIPT_WORK[name](input))
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

/** The bytes in a result that is packed: they are not copied. */
function givenAway(value: unknown): ArrayBuffer[] {
  const json = (value as Partial<ReceivedResult> | null)?.packed?.json
  return json === null || json === undefined ? [] : [json.buffer]
}
