/**
 * A stand-in for the MoRAG server, which cannot be had here: its HTTP side, written from the protocol, as a program of its
 * own that is really down when it is stopped. `morag-server.ts <port> <log>` serves `POST /api/v1/process`,
 * `GET /api/v1/status/{task}`, and answers every other path below `/api/v1` with what came. Each request is a line of the
 * file `log` ({@link Seen}) before it is answered, and what has been ingested is known from there after a restart. On
 * standard output it says where it listens, and a line for every request. With `KEY` in its environment it asks for that.
 */
import { createHash, randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { appendFileSync, readFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { buffer } from 'node:stream/consumers'
import { Busboy } from '@fastify/busboy'

/** A request as it came, and what was made of it. */
export interface Seen {
  method: string
  /** Path and query. */
  url: string
  /** Names and values in turn, as they were written. */
  rawHeaders: string[]
  sizeBytes: number
  /** Of the body; hex. */
  sha256: string
  /** Null when the body is no form, or has no `request_data` that can be read. */
  form: Form | null
  /** `repeated`: its `Idempotency-Key` was known, and nothing was done again. */
  outcome: 'ingested' | 'repeated' | 'converted' | 'echoed' | 'told' | 'refused'
  /** The document that was ingested now: it takes the place of another of its id. */
  document: Document | null
}

interface Form {
  requestData: Record<string, unknown>
  filename: string
  mediaType: string
  /** Of the file; hex. */
  sha256: string
  /** Null for what is no text. */
  text: string | null
}

interface Document {
  documentId: string
  taskId: string
  key: string | null
}

interface Reply {
  status: number
  body: unknown
  outcome: Seen['outcome']
  document?: Document
}

const API = '/api/v1'
const [port, log] = process.argv.slice(2)
const apiKey = process.env['KEY'] ?? null
const documents = readFileSync(log!, { encoding: 'utf8', flag: 'a+' })
  .split('\n')
  .slice(0, -1)
  .map((line) => (JSON.parse(line) as Seen).document)
  .filter((document) => document !== null)

async function formIn({ headers }: IncomingMessage, body: Buffer): Promise<Form | null> {
  const type = headers['content-type'] ?? ''
  if (!type.startsWith('multipart/form-data')) return null
  const form = new Busboy({ headers: { ...headers, 'content-type': type } })
  const found = { requestData: null as unknown, filename: '', mediaType: '' }
  const chunks: Buffer[] = []
  form.on('field', (name, value) => {
    if (name === 'request_data') found.requestData = parsed(value)
  })
  form.on('file', (_, stream, filename, __, mediaType) => {
    Object.assign(found, { filename, mediaType })
    stream.on('data', (chunk: Buffer) => chunks.push(chunk))
  })
  form.end(body)
  await once(form, 'finish')
  const { requestData, ...file } = found
  if (typeof requestData !== 'object' || requestData === null) return null
  const content = Buffer.concat(chunks)
  return {
    requestData: { ...requestData },
    ...file,
    sha256: digest(content),
    text: file.mediaType.startsWith('text/') ? content.toString('utf8') : null,
  }
}

function digest(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex')
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}

function refusal(status: number, detail: string): Reply {
  return { status, body: { detail }, outcome: 'refused' }
}

function processed(form: Form | null, key: string | null): Reply {
  if (form === null) return refusal(400, 'Send a form with a file and request_data.')
  const { mode, document_id: id } = form.requestData
  if (mode === 'convert') return { status: 200, body: answer(form, null), outcome: 'converted' }
  if (mode !== 'ingest') return refusal(400, `There is no mode ${JSON.stringify(mode)}.`)
  const known = key === null ? undefined : documents.find((one) => one.key === key)
  if (known !== undefined) return { status: 200, body: answer(form, known), outcome: 'repeated' }
  const taskId = randomUUID()
  const document = { documentId: typeof id === 'string' ? id : taskId, taskId, key }
  documents.push(document)
  return { status: 200, body: answer(form, document), outcome: 'ingested', document }
}

/** The keys that the original's answer has. */
function answer({ requestData, text }: Form, document: Document | null): object {
  return {
    success: true,
    mode: requestData['mode'],
    content: document === null ? text : null,
    metadata: requestData['metadata'] ?? {},
    processing_time_ms: 12.5,
    task_id: document?.taskId ?? null,
    estimated_time_seconds: null,
    status_url: document === null ? null : `${API}/status/${document.taskId}`,
    document_id: document?.documentId ?? null,
    error_message: null,
    warnings: [],
    thumbnails: null,
    message: document === null ? 'Converted.' : 'Ingested.',
  }
}

function told(taskId: string): Reply {
  const document = documents.find((one) => one.taskId === taskId)
  if (document === undefined) return refusal(404, `There is no task ${taskId}.`)
  const body = { task_id: taskId, status: 'SUCCESS', progress: 1, document_id: document.documentId }
  return { status: 200, body, outcome: 'told' }
}

function reply(request: IncomingMessage, seen: Omit<Seen, 'outcome' | 'document'>): Reply {
  const { method, url, sha256, sizeBytes } = seen
  const { headers } = request
  const isKnown = [headers.authorization, `Bearer ${String(headers['x-api-key'])}`]
  if (apiKey !== null && !isKnown.includes(`Bearer ${apiKey}`))
    return refusal(401, 'That key is not mine.')
  const [path, query = ''] = url.split('?')
  if (method === 'POST' && path === `${API}/process`)
    return processed(seen.form, headers['idempotency-key']?.toString() ?? null)
  const task = new RegExp(`^${API}/status/([^/]+)$`).exec(path!)?.[1]
  if (method === 'GET' && task !== undefined) return told(task)
  if (!path!.startsWith(`${API}/`)) return refusal(404, `There is no ${path}.`)
  const body = { method, path, query, sha256, size_bytes: sizeBytes }
  return { status: 200, body, outcome: 'echoed' }
}

async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const body = await buffer(request)
  const { method = '', url = '', rawHeaders } = request
  const seen = {
    method,
    url,
    rawHeaders,
    sizeBytes: body.length,
    sha256: digest(body),
    form: await formIn(request, body),
  }
  const { status, outcome, body: said, document = null } = reply(request, seen)
  appendFileSync(log!, `${JSON.stringify({ ...seen, outcome, document })}\n`)
  console.log(outcome)
  response.writeHead(status, { 'content-type': 'application/json', 'x-from': 'morag' })
  response.end(JSON.stringify(said))
}

const server = createServer((request, response) => {
  // Whoever cuts its request has no answer.
  serve(request, response).catch(() => response.destroy())
})
server.listen(Number(port), '127.0.0.1')
await once(server, 'listening')
console.log('listening')
