import { once } from 'node:events'
import { createServer, type IncomingHttpHeaders, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { TestContext } from 'node:test'
import { Busboy } from '@fastify/busboy'

/** A form that came. */
interface Got {
  url: string
  headers: IncomingHttpHeaders
  data: Record<string, unknown>
  file: { filename: string; mediaType: string; sizeBytes: number; begin: string }
}

export interface Answered {
  status: number
  headers?: Record<string, string>
  /** Text, or a value to be JSON. */
  body?: unknown
}

export interface FormServer {
  url: string
  got: Got[]
  /** Null: the request is read, and nothing comes back. */
  answer: Answered | null
}

/** A real server where the MoRAG server would be; it reads forms as that does, and answers what the test says. */
export async function startServer(t: Pick<TestContext, 'after'>): Promise<FormServer> {
  const scene: FormServer = { url: '', got: [], answer: { status: 200, body: { success: true } } }
  const server = createServer((request, response) => {
    // It describes nothing, and no GET is a form.
    if (request.method === 'GET') return void response.writeHead(404).end('{"detail":"Not Found"}')
    void formIn(request).then((got) => {
      scene.got.push(got)
      if (scene.answer === null) return
      const { status, headers, body } = scene.answer
      response.writeHead(status, headers)
      response.end(typeof body === 'string' ? body : JSON.stringify(body ?? {}))
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  scene.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return scene
}

async function formIn(request: IncomingMessage): Promise<Got> {
  const { headers, url = '' } = request
  const type = headers['content-type'] ?? ''
  const form = new Busboy({ headers: { ...headers, 'content-type': type } })
  const got: Got = {
    url,
    headers,
    data: {},
    file: { filename: '', mediaType: '', sizeBytes: 0, begin: '' },
  }
  form.on('field', (name, value) => {
    if (name === 'request_data') got.data = JSON.parse(value) as Record<string, unknown>
  })
  form.on('file', (_, stream, filename, __, mediaType) => {
    got.file = { ...got.file, filename, mediaType }
    stream.on('data', (chunk: Buffer) => {
      got.file.sizeBytes += chunk.length
      if (got.file.begin === '') got.file.begin = chunk.toString('utf8', 0, 200)
    })
  })
  await once(request.pipe(form), 'finish')
  return got
}
