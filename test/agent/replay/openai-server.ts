import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { after } from 'node:test'

export interface Asked {
  path: string
  authorization: string | undefined
  fields: [name: string, value: string][]
  bytes: number
}

type Reply = (
  asked: Asked,
  answer: (status: number, body: string | Buffer, headers?: Record<string, string>) => void,
  response: ServerResponse,
) => void

/** A replay of servers that speak OpenAI's protocol: answers as they are documented to, by what `reply` says. */
export async function openaiServer(reply: Reply): Promise<{ url: string; asked: Asked[] }> {
  const asked: Asked[] = []
  const server = createServer((request: IncomingMessage, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      const body = Buffer.concat(chunks)
      const one: Asked = {
        path: request.url ?? '',
        authorization: request.headers.authorization,
        fields: [...body.toString('latin1').matchAll(/name="([^"]+)"\r\n\r\n(.*?)\r\n/g)].map(
          ([, name = '', value = '']) => [name, value],
        ),
        bytes: body.length,
      }
      if (request.method === 'GET') {
        const models = '{"data":[{"id":"llama-3"},{"id":"Systran/faster-whisper-small"}]}'
        const isList = request.url === '/v1/models'
        response.writeHead(isList ? 200 : 404, { 'content-type': 'application/json' })
        response.end(isList ? models : '{"detail":"Not Found"}')
        return
      }
      asked.push(one)
      const answer = (
        status: number,
        text: string | Buffer,
        headers: Record<string, string> = {},
      ): void => {
        response.writeHead(status, { 'content-type': 'application/json', ...headers })
        response.end(text)
      }
      reply(one, answer, response)
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  after(() => {
    server.closeAllConnections()
    server.close()
  })
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  return { url: `http://127.0.0.1:${address.port}/v1`, asked }
}

/** A documented answer. */
export function documented(name: string): Buffer {
  return readFileSync(new URL(`../recorded/openai/${name}`, import.meta.url))
}
