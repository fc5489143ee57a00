import { createHash, randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { buffer } from 'node:stream/consumers'
import type { TestContext } from 'node:test'
import { readForm } from './strict-forms.ts'
import {
  readIngestion,
  readProcessFile,
  readStage,
  refusal,
  TAKEN,
  type Converted,
  type Given,
  type Reply,
  type Version,
} from './strict-api.ts'

/** Where a server is with a text. */
export type Point = 'asked' | 'taken' | 'ingested' | 'called back'

interface Task {
  id: string
  given: Given
  state: 'pending' | 'completed' | 'failed'
}

const CHAIN = '/api/v1/stages/chain'
const PROCESS = '/api/v1/process'
const INGEST = '/api/v1/ingest/file'
const EXECUTE = '/api/v1/stages/{stage_name}/execute'
const PROCESS_FILE = '/process/file'
const STATUS = '/api/v1/status/{task_id}'
/** The routes, as they are described, with their methods. */
const ROUTES: Record<Version, Record<string, readonly string[]>> = {
  stages: {
    [CHAIN]: ['POST'],
    [EXECUTE]: ['POST'],
    '/api/v1/stages/health': ['GET'],
    // Listed, though it only answers that it is gone.
    [PROCESS]: ['GET', 'POST'],
    '/api/v1/ingest': ['GET', 'POST'],
  },
  process: { [PROCESS]: ['POST'], [STATUS]: ['GET'] },
  ingest: { [INGEST]: ['POST'], [PROCESS_FILE]: ['POST'], [STATUS]: ['GET'] },
  'ingest-form': { [INGEST]: ['POST'], [PROCESS_FILE]: ['POST'], [STATUS]: ['GET'] },
}
/**
 * A MoRAG server of one of the original's versions, as strict as those are: which routes there are, what they refuse and
 * in which words, tasks that outlive the server (a queue beside it) and chains that do not, callbacks that are tried
 * once. What it has ingested it keeps; the same again is passed over, or takes the place of what has its id.
 */
export class StrictMorag {
  version: Version
  /** What is in its index. */
  readonly documents: Given[] = []
  /** False: it refuses whatever it is given to convert. */
  converts = true
  /** What it was given to convert. */
  readonly conversions: Converted['converted'][] = []
  /** Every request: `POST /path 200`. */
  readonly requests: string[] = []
  /** Called at each point, before it goes on. */
  at: (point: Point) => Promise<void> | void = () => undefined
  /** Why whatever is ingested fails. */
  failing: string | null = null
  /** Endings that it takes beside the original's. */
  readonly takes: string[] = []
  /** Routes of its version that it does not have. */
  readonly lacks: string[] = []
  /** What each stage of a chain warns of. */
  warnings: string[] = []
  /** Whether it shows `/openapi.json`. */
  isDescribed = true
  /** Whether its callbacks arrive. */
  callsBack = true
  readonly #tasks = new Map<string, Task>()
  #server: Server | null = null
  #port = 0

  constructor(version: Version) {
    this.version = version
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`
  }

  async start(): Promise<void> {
    const server = createServer((request, response) => {
      this.#serve(request, response, server).catch(() => response.destroy())
    })
    this.#server = server
    server.listen(this.#port, '127.0.0.1')
    await once(server, 'listening')
    this.#port = (server.address() as AddressInfo).port
    for (const task of this.#tasks.values())
      if (task.state === 'pending') void this.#work(task, server)
  }

  /** Nothing is answered or done any more. */
  kill(): void {
    this.#server?.closeAllConnections()
    this.#server?.close()
    this.#server = null
  }

  async #serve(request: IncomingMessage, response: ServerResponse, server: Server): Promise<void> {
    const body = await buffer(request)
    const { method = '', url = '' } = request
    const path = url.split('?')[0]!
    const reply = await this.#reply(method, path, request, body, server)
    if (this.#server !== server) return
    this.requests.push(`${method} ${path} ${reply.status}`)
    response.writeHead(reply.status, { 'content-type': 'application/json', ...reply.headers })
    response.end(JSON.stringify(reply.body))
  }

  async #reply(
    method: string,
    path: string,
    request: IncomingMessage,
    body: Buffer,
    server: Server,
  ): Promise<Reply> {
    const { version } = this
    if (path === '/openapi.json' && method === 'GET') {
      if (!this.isDescribed) return refusal(404, 'Not Found')
      const paths = Object.fromEntries(Object.keys(ROUTES[version]).map((route) => [route, {}]))
      return { status: 200, body: { openapi: '3.1.0', info: { title: 'MoRAG' }, paths } }
    }
    const found = routeOf(version, path)
    if (found === null || this.lacks.includes(found.route)) {
      const isOther = path.endsWith('/') && routeOf(version, path.slice(0, -1)) !== null
      if (!isOther) return refusal(404, 'Not Found')
      const location = `http://${request.headers.host}${path.slice(0, -1)}`
      return { status: 307, body: null, headers: { location } }
    }
    const methods = ROUTES[version][found.route]!
    if (!methods.includes(method)) {
      const allow = methods.at(-1)!
      return { ...refusal(405, 'Method Not Allowed'), headers: { allow } }
    }
    return await this.#replyTo(found, request, body, server)
  }

  async #replyTo(
    { route, name }: { route: string; name: string },
    request: IncomingMessage,
    body: Buffer,
    server: Server,
  ): Promise<Reply> {
    const { version } = this
    if (route === STATUS) return this.#status(name)
    if (version === 'stages' && [PROCESS, '/api/v1/ingest'].includes(route)) {
      const message = 'This endpoint has been removed. Use the new stage-based API.'
      return { status: 410, body: { error: 'Endpoint Deprecated', message, migration_guide: {} } }
    }
    if (route === '/api/v1/stages/health') return { status: 200, body: { status: 'healthy' } }
    const form = await readForm(request, body)
    if (form.file !== null && this.takes.some((ending) => form.file!.filename.endsWith(ending)))
      form.file.mediaType = TAKEN
    if (route === EXECUTE) return this.#convert(readStage(name, form))
    if (route === PROCESS_FILE) return this.#convert(readProcessFile(form))
    await this.at('asked')
    const given = readIngestion(version, form)
    if ('status' in given || 'converted' in given) return this.#convert(given)
    return version === 'stages' ? await this.#chain(given, server) : await this.#take(given, server)
  }

  #convert(given: Converted | Reply): Reply {
    if (!('converted' in given)) return given
    const { converted } = given
    if (!this.converts) return refusal(400, 'Convert mode not supported for file type: mp3')
    this.conversions.push(converted)
    const { version, filename, text, options } = converted
    const isIn = this.failing === null
    const content = isIn ? `# ${filename}\n\n${text}` : null
    if (version !== 'stages') {
      const body = { success: isIn, mode: options['mode'], content, metadata: { format: 'x' } }
      return { status: 200, body: { ...body, error_message: this.failing } }
    }
    const shown = options['return_content'] === true ? content : null
    const output = { filename: 'talk.md', file_path: '/tmp/talk.md', content: shown }
    return {
      status: 200,
      body: {
        success: isIn,
        stage_type: 'markdown-conversion',
        status: isIn ? 'completed' : 'failed',
        output_files: isIn ? [output] : [],
        metadata: { execution_time: 1.5, input_files: [], config_used: options, warnings: [] },
        error_message: this.failing,
        webhook_sent: false,
      },
    }
  }

  /** All stages, and then the answer. */
  async #chain(given: Given, server: Server): Promise<Reply> {
    await this.at('taken')
    if (this.#server !== server) return refusal(500, 'killed')
    const isIn = this.failing === null
    if (isIn) this.#ingest(given)
    await this.at('ingested')
    if (this.#server !== server) return refusal(500, 'killed')
    const payload = { type: 'stage_chain_completion', success: isIn, stages_executed: 3 }
    if (this.callsBack) await callBack(given.webhookUrl, payload)
    await this.at('called back')
    const stage = (type: string, success: boolean, content: object | null): object => ({
      success,
      stage_type: type,
      status: success ? 'completed' : 'failed',
      output_files:
        content === null ? [] : [{ filename: `${type}.json`, content: JSON.stringify(content) }],
      metadata: { execution_time: 1.5, config_used: given.options, warnings: this.warnings },
      error_message: success ? null : this.failing,
      webhook_sent: false,
    })
    const ingested = {
      ingestion_results: { chunks_ingested: 2, errors: [] },
      metadata: { databases: ['qdrant'] },
    }
    return {
      status: 200,
      body: {
        success: isIn,
        stages_executed: [
          stage('chunker', true, {}),
          stage('ingestor', isIn, isIn ? ingested : null),
        ],
        total_execution_time: 3,
        failed_stage: isIn ? null : 'ingestor',
        final_output_files: [],
      },
    }
  }

  /** A task, and the answer at once. */
  async #take(given: Given, server: Server): Promise<Reply> {
    const task: Task = { id: randomUUID(), given, state: 'pending' }
    this.#tasks.set(task.id, task)
    await this.at('taken')
    setImmediate(() => void this.#work(task, server))
    const {
      id,
      given: { documentId },
    } = task
    const body =
      this.version === 'process'
        ? {
            success: true,
            mode: 'ingest',
            task_id: id,
            document_id: documentId,
            status_url: `/api/v1/status/${id}`,
          }
        : { task_id: id, status: 'pending', message: 'queued for ingestion', estimated_time: 300 }
    return { status: 200, body }
  }

  async #work(task: Task, server: Server): Promise<void> {
    if (this.#server !== server || task.state !== 'pending') return
    const isIn = this.failing === null
    if (isIn) this.#ingest(task.given)
    await this.at('ingested')
    if (this.#server !== server) return
    task.state = isIn ? 'completed' : 'failed'
    const result = { chunks_processed: 2, total_text_length: task.given.text.length, metadata: {} }
    const status = isIn ? 'SUCCESS' : 'FAILURE'
    const payload = {
      task_id: task.id,
      status,
      result: isIn ? result : null,
      completed_at: '2024-01-01T12:05:30',
    }
    if (this.callsBack) await callBack(task.given.webhookUrl, payload)
    await this.at('called back')
  }

  #status(id: string): Reply {
    const task = this.#tasks.get(id)
    // Celery knows nothing of a task that it does not know.
    const state = task?.state ?? 'pending'
    const metadata = {
      vector_point_ids: ['a', 'b'],
      ingestion_result: { database_results: { qdrant: {} } },
    }
    const result = state === 'completed' ? { success: true, content: '', metadata } : null
    const error = state === 'failed' ? this.failing : null
    return { status: 200, body: { task_id: id, status: state, progress: 0, result, error } }
  }

  #ingest(given: Given): void {
    const digest = (text: string): string => createHash('sha256').update(text).digest('hex')
    const same = this.documents.findIndex(({ text }) => digest(text) === digest(given.text))
    const known = this.documents.findIndex(({ documentId }) => documentId === given.documentId)
    if (given.replaces && known >= 0) this.documents[known] = given
    else if (given.replaces || same < 0) this.documents.push(given)
  }
}

/** The route of a path, and what stands in its place for a name. */
function routeOf(version: Version, path: string): { route: string; name: string } | null {
  for (const route of Object.keys(ROUTES[version])) {
    const pattern = new RegExp(`^${route.replace(/\{\w+\}/, '([^/]+)')}$`)
    const found = pattern.exec(path)
    if (found !== null) return { route, name: found[1] ?? '' }
  }
  return null
}

/** As the original sends it: once, and whatever comes of it. */
async function callBack(url: string | null, payload: object): Promise<void> {
  if (url === null || url === '') return
  const headers = { 'content-type': 'application/json' }
  await fetch(url, { method: 'POST', headers, body: JSON.stringify(payload) })
    .then(async (answer) => await answer.arrayBuffer())
    .catch(() => undefined)
}

/** Starts one; it goes with the test. */
export async function startStrict(
  t: Pick<TestContext, 'after'>,
  version: Version,
): Promise<StrictMorag> {
  const server = new StrictMorag(version)
  await server.start()
  t.after(() => server.kill())
  return server
}
