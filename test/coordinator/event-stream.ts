import type { TestContext } from 'node:test'

/** One event of a stream, its data read. */
export interface StreamEvent {
  id: string
  event: string
  data: Record<string, unknown>
}

/** An open stream. */
export interface EventStream {
  status: number
  headers: Headers
  /** All that came, in the order of coming. */
  events: StreamEvent[]
  /** All comment lines that came. */
  comments: string[]
  /** The first that fits, of those that came or will. @throws {Error} when the stream ends before. */
  next(fits: (event: StreamEvent) => boolean): Promise<StreamEvent>
  /** Resolves once the stream has ended, cut or not. */
  ended: Promise<void>
  stop(): void
}

/** Listens to server-sent events; the stream is left with the test. */
export async function listenTo(
  t: Pick<TestContext, 'after'>,
  url: string,
  headers: Record<string, string> = {},
): Promise<EventStream> {
  const leave = new AbortController()
  const answer = await fetch(url, { headers, signal: leave.signal })
  const events: StreamEvent[] = []
  const comments: string[] = []
  let wake = (): void => undefined
  let isOver = false
  const read = async (): Promise<void> => {
    let text = ''
    const decoder = new TextDecoder()
    for await (const chunk of answer.body ?? []) {
      text += decoder.decode(chunk, { stream: true })
      const blocks = text.split('\n\n')
      text = blocks.pop()!
      for (const block of blocks) {
        if (block.startsWith(':')) comments.push(block)
        else if (block.includes('data:')) events.push(parsed(block))
      }
      wake()
    }
  }
  const ended = read()
    .catch(() => undefined)
    .finally(() => {
      isOver = true
      wake()
    })
  const stop = (): void => leave.abort()
  t.after(async () => {
    stop()
    await ended
  })
  return {
    status: answer.status,
    headers: answer.headers,
    events,
    comments,
    ended,
    stop,
    async next(fits) {
      for (;;) {
        const found = events.find(fits)
        if (found !== undefined) return found
        if (isOver) throw new Error(`the stream ended before: ${fits.toString()}`)
        await new Promise<void>((resolve) => (wake = resolve))
      }
    },
  }
}

function parsed(block: string): StreamEvent {
  const fields = new Map(block.split('\n').map((line) => line.split(/: (.*)/s) as [string, string]))
  return {
    id: fields.get('id') ?? '',
    event: fields.get('event') ?? 'message',
    data: JSON.parse(fields.get('data') ?? '{}') as Record<string, unknown>,
  }
}
