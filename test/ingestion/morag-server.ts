/**
 * A stand-in for the MoRAG server as a program of its own that is really down when it is stopped: the version that takes
 * texts by `POST /api/v1/process`, as strict as that is (`strict-api.ts`). `morag-server.ts <port> <log>` serves that route,
 * `GET /api/v1/status/{task}` and `/openapi.json`, and calls back; every other path below `/api/v1` is answered with what came. Each request is a line of the
 * file `log` ({@link Seen}) before it is answered, and what has been ingested is known from there after a restart. On
 * standard output it says where it listens, and a line for every request. With `KEY` in its environment it asks for that.
 */
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { appendFileSync, readFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { buffer } from 'node:stream/consumers'
import { readIngestion } from './strict-api.ts'
import { readForm, type ReadForm } from './strict-forms.ts'

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
  /** `repeated`: it had the text, and nothing was done again. */
  outcome: 'ingested' | 'repeated' | 'converted' | 'echoed' | 'status' | 'described' | 'refused'
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
  text: string
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

function formIn(read: ReadForm): Form | null {
  const requestData = parsed(read.fields['request_data'] ?? '')
  if (read.file === null || typeof requestData !== 'object' || requestData === null) return null
  const { filename, mediaType, bytes } = read.file
  return {
    requestData: { ...requestData },
    filename,
    mediaType,
    sha256: digest(bytes),
    text: mediaType.startsWith('text/') ? bytes.toString('utf8') : null,
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

function processed(read: ReadForm): Reply {
  const given = readIngestion('process', read)
  if ('status' in given) return { ...given, outcome: 'refused' }
  if ('converted' in given) {
    const { text: content, options } = given.converted
    const body = { success: true, mode: options['mode'], content, metadata: {} }
    return { status: 200, body, outcome: 'converted' }
  }
  const { documentId, text, replaces, webhookUrl } = given
  const known = documents.find(
    (one) => one.text === text && (one.documentId === documentId || !replaces),
  )
  const document = known ?? {
    documentId,
    taskId: digest(Buffer.from(`${documentId} ${text}`)).slice(0, 32),
    text,
  }
  if (known === undefined) documents.push(document)
  const { taskId } = document
  if (webhookUrl !== null) calls.push({ url: webhookUrl, taskId })
  const body = {
    success: true,
    mode: 'ingest',
    content: null,
    metadata: null,
    processing_time_ms: null,
    task_id: taskId,
    estimated_time_seconds: 60,
    status_url: `${API}/status/${taskId}`,
    document_id: documentId,
    error_message: null,
    warnings: null,
    thumbnails: null,
    message: `Processing started. Webhook notifications will be sent to ${webhookUrl}`,
  }
  const outcome = known === undefined ? 'ingested' : 'repeated'
  return { status: 200, body, outcome, ...(known === undefined && { document }) }
}

/** Those that are called back once their request is answered, as the original does: once. */
const calls: { url: string; taskId: string }[] = []

async function callBack(): Promise<void> {
  for (const { url, taskId } of calls.splice(0)) {
    const result = { chunks_processed: 1, total_text_length: 1, metadata: {} }
    const body = JSON.stringify({ task_id: taskId, status: 'SUCCESS', result })
    const headers = { 'content-type': 'application/json' }
    await fetch(url, { method: 'POST', headers, body }).catch(() => undefined)
  }
}

function statusOf(taskId: string): Reply {
  const document = documents.find((one) => one.taskId === taskId)
  if (document === undefined) return refusal(404, `There is no task ${taskId}.`)
  const body = { task_id: taskId, status: 'completed', progress: 0, result: { success: true } }
  return { status: 200, body, outcome: 'status' }
}

function reply(
  request: IncomingMessage,
  seen: Omit<Seen, 'outcome' | 'document'>,
  read: ReadForm,
): Reply {
  const { method, url, sha256, sizeBytes } = seen
  const { headers } = request
  const isKnown = [headers.authorization, `Bearer ${String(headers['x-api-key'])}`]
  if (apiKey !== null && !isKnown.includes(`Bearer ${apiKey}`))
    return refusal(401, 'That key is not mine.')
  const [path, query = ''] = url.split('?')
  if (method === 'POST' && path === `${API}/process`) return processed(read)
  if (method === 'GET' && path === '/openapi.json')
    return { status: 200, body: { paths: { [`${API}/process`]: {} } }, outcome: 'described' }
  const task = new RegExp(`^${API}/status/([^/]+)$`).exec(path!)?.[1]
  if (method === 'GET' && task !== undefined) return statusOf(task)
  if (!path!.startsWith(`${API}/`)) return refusal(404, `There is no ${path}.`)
  const body = { method, path, query, sha256, size_bytes: sizeBytes }
  return { status: 200, body, outcome: 'echoed' }
}

async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const body = await buffer(request)
  const { method = '', url = '', rawHeaders } = request
  const read = await readForm(request, body)
  const seen = {
    method,
    url,
    rawHeaders,
    sizeBytes: body.length,
    sha256: digest(body),
    form: formIn(read),
  }
  const { status, outcome, body: said, document = null } = reply(request, seen, read)
  // That it is asked for its description is no request of anybody's.
  if (outcome !== 'described')
    appendFileSync(log!, `${JSON.stringify({ ...seen, outcome, document })}\n`)
  console.log(outcome)
  response.writeHead(status, { 'content-type': 'application/json', 'x-from': 'morag' })
  response.end(JSON.stringify(said))
  await callBack()
}

const server = createServer((request, response) => {
  // Whoever cuts its request has no answer.
  serve(request, response).catch(() => response.destroy())
})
server.listen(Number(port), '127.0.0.1')
await once(server, 'listening')
console.log('listening')
