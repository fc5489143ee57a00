import { MoragError } from './error.ts'
import type { Requests } from './requests.ts'

/** A server-sent event. */
export interface ServerEvent {
  /** To resume from; null: none. */
  id: string | null
  name: string
  /** JSON. */
  data: string
}

/** Without an answer by then, a proxy buffers the stream. */
const OPEN_MS = 10_000
/** A comment comes every 15 s. After this much silence the connection counts as dead. */
const SILENT_MS = 40_000

/**
 * One connection to the coordinator's events: null once it is open, then each event. It is closed when the reader leaves.
 * @throws {MoragError}; the signal's reason.
 */
export async function* openEvents(
  requests: Requests,
  lastId: string | null,
  signal: AbortSignal | undefined,
): AsyncGenerator<ServerEvent | null, void, undefined> {
  signal?.throwIfAborted()
  const controller = new AbortController()
  const leave = (): void => controller.abort(signal?.reason)
  signal?.addEventListener('abort', leave, { once: true })
  const inTime = async <T>(ms: number, waiting: Promise<T>): Promise<T> => {
    const late = new MoragError('unavailable', 'The event stream is silent.', { retryable: true })
    const timer = setTimeout(() => controller.abort(late), ms)
    return await waiting.finally(() => clearTimeout(timer))
  }
  try {
    const headers: Record<string, string> = lastId === null ? {} : { 'last-event-id': lastId }
    const opening = requests.open('/events', { headers, signal: controller.signal })
    const { body } = await inTime(OPEN_MS, opening)
    yield null
    const reader = body!.getReader()
    const decoder = new TextDecoder()
    for (let text = ''; ;) {
      const { value, done } = await inTime(SILENT_MS, reader.read())
      if (done) return
      const frames = (text + decoder.decode(value, { stream: true })).split('\n\n')
      text = frames.pop()!
      yield* frames.flatMap(eventIn)
    }
  } catch (error) {
    signal?.throwIfAborted()
    throw requests.expected(error)
  } finally {
    signal?.removeEventListener('abort', leave)
    controller.abort()
  }
}

/** None: a comment. */
function eventIn(frame: string): ServerEvent[] {
  const fields = new Map(
    frame.split('\n').map((line) => [/^\w*/.exec(line)![0], line.replace(/^\w*: ?/, '')]),
  )
  const [name, data] = [fields.get('event'), fields.get('data')]
  if (name === undefined || data === undefined) return []
  return [{ id: fields.get('id') ?? null, name, data }]
}
