import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { after } from 'node:test'
import { samplesIn } from './spoken-words.ts'

export interface SpeechRequest {
  path: string
  fields: [name: string, value: string][]
  seconds: number
}

export interface SpeechServerOptions {
  /** Holds an answer back. */
  before?: (request: SpeechRequest) => Promise<void>
  /** A status in place of the answer, with its body and headers; `cut`: the connection is. */
  refuse?: (
    request: SpeechRequest,
  ) => { status: number; body: string; headers?: object } | 'cut' | null
}

export type SpeechAnswer = [status: number, body: object]

const RATE = 16_000

/** A server that speaks OpenAI's protocol, and counts. `pages` are what it answers to GET, by path. */
export async function speechServer(
  pages: Readonly<Record<string, unknown>>,
  transcribe: (request: SpeechRequest, samples: Int16Array) => SpeechAnswer | Promise<SpeechAnswer>,
  { before, refuse }: SpeechServerOptions = {},
) {
  const requests: SpeechRequest[] = []
  const counts = { inFlight: 0, most: 0, aborted: 0 }
  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const send = (status: number, body: unknown, headers: object = {}): void => {
      const text = typeof body === 'string' ? body : JSON.stringify(body)
      const type = { 'content-type': 'application/json', server: 'uvicorn' }
      response.writeHead(status, { ...type, ...headers }).end(text)
    }
    const { url = '', method, headers } = request
    if (method === 'GET') {
      return url in pages ? send(200, pages[url]) : send(404, { detail: 'Not Found' })
    }
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    const type = { 'content-type': headers['content-type'] ?? '' }
    const form = await new Response(Buffer.concat(chunks), { headers: type }).formData()
    const file = form.get('file') as File
    const samples = samplesIn(Buffer.from(await file.arrayBuffer()))
    const fields = [...form].flatMap(([name, value]): [string, string][] =>
      typeof value === 'string' ? [[name, value]] : [],
    )
    const one = { path: url, fields, seconds: samples.length / RATE }
    requests.push(one)
    counts.inFlight += 1
    counts.most = Math.max(counts.most, counts.inFlight)
    response.once('close', () => {
      counts.inFlight -= 1
      if (!response.writableEnded) counts.aborted += 1
    })
    await before?.(one)
    const refused = refuse?.(one) ?? null
    if (refused === 'cut') response.destroy()
    else if (refused !== null) send(refused.status, refused.body, refused.headers)
    else send(...(await transcribe(one, samples)))
  }
  const server = createServer((request, response) => {
    answer(request, response).catch((error: unknown) => response.destroy(error as Error))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  after(() => {
    server.closeAllConnections()
    server.close()
  })
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  return { url: `http://127.0.0.1:${address.port}/v1`, requests, counts }
}

/** A field of a request. */
export function valueOf(fields: SpeechRequest['fields'], name: string): string | undefined {
  return fields.find(([key]) => key === name)?.[1]
}
