import { createHash, randomBytes } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { TestContext } from 'node:test'
import type { WebModel } from '../../agent/models/model.ts'
import { startServer } from './fake-server.ts'

export interface Request {
  at: 'home' | 'store'
  path: string
  headers: IncomingMessage['headers']
}

type Answer = (request: Request, response: ServerResponse) => void

/** What the next request for this path gets instead of the file. */
interface Plan {
  path: string
  answer: Answer
}

/**
 * A real mirror on two ports, as Hugging Face is on two hosts: one knows the names and sends on to the other, which has
 * the bytes, an etag for each, and gives ranges of them.
 */
export interface Mirror {
  /** For `--mirror`. */
  url: string
  requests: Request[]
  /** Whether the redirect has digests, as for large files. */
  tellsDigests: boolean
  /** Puts a file there, or another one in its place. */
  put(path: string, body: Buffer): void
  /** The next request to the store for this path is answered by this. */
  next(path: string, answer: Answer): void
  /** Requests that reached the bytes of this path. */
  asked(path: string): Request[]
}

export async function startMirror(t: TestContext): Promise<Mirror> {
  const files = new Map<string, Buffer>()
  const plans: Plan[] = []
  const requests: Request[] = []
  const store = await startServer(t, ({ url: path, headers }, response) => {
    const request: Request = { at: 'store', path, headers }
    requests.push(request)
    const index = plans.findIndex((plan) => plan.path === path)
    const [plan] = index < 0 ? [] : plans.splice(index, 1)
    const body = files.get(path)
    if (plan !== undefined) plan.answer(request, response)
    else if (body === undefined) response.writeHead(404).end()
    else give(request, response, body)
  })
  const home = await startServer(t, ({ url: path, headers }, response) => {
    requests.push({ at: 'home', path, headers })
    const body = files.get(path)
    const linked =
      mirror.tellsDigests && body !== undefined ? { 'x-linked-etag': `"${sha256(body)}"` } : {}
    if (body === undefined) response.writeHead(404).end('Entry not found')
    else response.writeHead(302, { location: `${store.url}${path}`, ...linked }).end()
  })
  const mirror: Mirror = {
    url: home.url,
    requests,
    tellsDigests: false,
    put: (path, body) => files.set(path, body),
    next: (path, answer) => plans.push({ path, answer }),
    asked: (path) => requests.filter((request) => request.at === 'store' && request.path === path),
  }
  return mirror
}

/** The whole file, or the rest that was asked for when it is still the same file. */
function give({ headers }: Request, response: ServerResponse, body: Buffer): void {
  const etag = etagOf(body)
  const from = Number(/^bytes=(\d+)-$/.exec(headers.range ?? '')?.[1] ?? 0)
  const isSame = headers['if-range'] === etag
  if (from > 0 && isSame) {
    response.writeHead(206, {
      etag,
      'content-length': body.length - from,
      'content-range': `bytes ${from}-${body.length - 1}/${body.length}`,
    })
    response.end(body.subarray(from))
  } else {
    response.writeHead(200, { etag, 'content-length': body.length }).end(body)
  }
}

/** Sends the first half, then cuts the connection; `held` instead leaves it open. */
export function half(body: Buffer, held: 'cut' | 'held' = 'cut'): Answer {
  return (_, response) => {
    response.writeHead(200, { etag: etagOf(body), 'content-length': body.length })
    response.write(body.subarray(0, body.length / 2), () => {
      if (held === 'cut') response.socket?.end()
    })
  }
}

export function etagOf(body: Buffer): string {
  return `"${sha256(body).slice(0, 16)}"`
}

export function sha256(body: Buffer): string {
  return createHash('sha256').update(body).digest('hex')
}

/** Half a megabyte of its own. */
export function newBytes(): Buffer {
  return randomBytes(512 * 1024)
}

export const CT2 = '/Systran/faster-whisper-base/resolve/main'

/** Puts a faster-whisper model `base` on the mirror, as its repository has it; returns its model.bin. */
export function putBase(mirror: Mirror): Buffer {
  const body = newBytes()
  mirror.put(`${CT2}/model.bin`, body)
  for (const name of ['config.json', 'tokenizer.json', 'vocabulary.txt'])
    mirror.put(`${CT2}/${name}`, Buffer.from(`{"of":"${name}"}`))
  return body
}

export const TEST_FILE = '/test/resolve/main/ggml-test.bin'

/** A model of one file with a digest in our code, for which a test can have the bytes. */
export function modelOf(body: Buffer): WebModel {
  return {
    name: 'ggml/test',
    kind: 'ggml',
    description: 'made for a test',
    license: 'none',
    bytes: body.length,
    suggested: false,
    files: [
      {
        name: 'ggml-test.bin',
        url: `https://huggingface.co${TEST_FILE}`,
        digest: { algorithm: 'sha1', hex: createHash('sha1').update(body).digest('hex') },
        need: 'always',
      },
    ],
  }
}
