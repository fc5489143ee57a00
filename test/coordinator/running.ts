import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import type { TestContext } from 'node:test'
import { Command } from 'commander'
import { pino } from 'pino'
import {
  addServeSettings,
  configOf,
  type Config,
  type IngestionConfig,
} from '../../coordinator/config.ts'
import { Tokens } from '../../coordinator/access/tokens.ts'
import { TokensFile } from '../../coordinator/access/tokens-file.ts'
import { LIMITS, type Limits } from '../../coordinator/sockets/limits.ts'
import { openStorage, type Storage } from '../../coordinator/open-storage.ts'
import { startCoordinator } from '../../coordinator/server.ts'
import { databaseAddress } from '../../coordinator/storage/postgres/address.ts'
import { HOUR } from '../../shared/duration.ts'
import { sharedPostgres } from '../shared/postgres-server.ts'
import { POLICY } from './example-jobs.ts'

/** An answer, its JSON read. */
export interface Answer {
  status: number
  headers: Headers
  body: Record<string, unknown>
  text: string
}

export interface Asked {
  json?: unknown
  /** Sent as it is. */
  raw?: string | Uint8Array<ArrayBuffer>
  headers?: Record<string, string>
  signal?: AbortSignal
}

/** A coordinator in this process, on a real port over real folders. */
export interface Running {
  readonly url: string
  /** Holds the data folder and the media root. */
  readonly root: string
  readonly dataDir: string
  readonly mediaRoot: string
  readonly tokens: Tokens
  /** Every line it has logged, from debug on. */
  readonly logged: string[]
  /** One request below `/api/v1`. */
  ask(method: string, route: string, asked?: Asked): Promise<Answer>
  /** A file in the media root; its path. */
  file(name: string, content?: string): string
  stop(): Promise<void>
}

export type Setup = Partial<Config> & {
  /** That of another: a restart. */
  root?: string
  /** Settings that depend on it. */
  over?: (root: string) => Partial<Config>
  limits?: Partial<Limits>
}

const DEFAULTS = configOf(addServeSettings(new Command()).parse([], { from: 'user' }).opts())

/** No MoRAG server, no local processor, no folder. */
export const NO_INGESTION: IngestionConfig = { ...DEFAULTS.ingestion, fallbackAfterMs: null }

export function configOver(root: string, different: Partial<Config> = {}): Config {
  return {
    ...DEFAULTS,
    port: 0,
    dataDir: path.join(root, 'data'),
    mediaRoots: [path.join(root, 'media')],
    maxUploadBytes: 1024 ** 3,
    policy: { ...POLICY, deadlineMs: { ...POLICY.deadlineMs, video: HOUR } },
    ingestion: NO_INGESTION,
    logLevel: 'debug',
    logFormat: 'json',
    ...different,
  }
}

/** The tokens of a data folder. */
export function tokensIn(dataDir: string, now = Date.now): Tokens {
  return new Tokens(new TokensFile(dataDir), now)
}

/** Where jobs and tokens are: `files`, or `postgres`. */
const STORE = process.env['STORE'] ?? 'files'
/** For the `skip` of tests about job files. */
export const notInFiles: string | false =
  STORE === 'files' ? false : 'about files, which STORE says jobs are not in'
/** The databases of folders. */
const databases = new Map<string, Promise<string>>()

/** That of a folder, which has one with `STORE=postgres`. */
export async function databaseOf(root: string): Promise<Config['database']> {
  if (STORE !== 'postgres') return null
  const url =
    databases.get(root) ?? sharedPostgres().then(async (server) => await server.database())
  databases.set(root, url)
  return { address: databaseAddress(await url), direct: null, pool: 4, isShared: false }
}

/** How to stop what runs over a folder. */
const stops = new Map<string, (() => Promise<void>)[]>()

/** Starts one; it stops with the test. Over the `root` of another it is a restart. */
export async function startRunning(
  t: Pick<TestContext, 'after'>,
  { root: known, over, limits, ...different }: Setup = {},
): Promise<Running> {
  const root = known ?? mkdtempSync(path.join(os.tmpdir(), 'morag-test-'))
  if (known === undefined) {
    stops.set(root, [])
    t.after(async () => {
      for (const stop of stops.get(root) ?? []) await stop()
      rmSync(root, { recursive: true, force: true })
    })
  }
  const database = await databaseOf(root)
  const config = configOver(root, { database, ...different, ...over?.(root) })
  const mediaRoot = path.join(root, 'media')
  mkdirSync(mediaRoot, { recursive: true })
  const logged: string[] = []
  const log = pino({ level: 'debug' }, { write: (line: string) => void logged.push(line) })
  let storage: Storage | undefined
  const open: typeof openStorage = async (...args) => (storage = await openStorage(...args))
  const coordinator = await startCoordinator(config, log, { ...LIMITS, ...limits }, open)
  const { url } = coordinator
  let stopping: Promise<void> | null = null
  const stop = async (): Promise<void> => await (stopping ??= coordinator.close())
  stops.get(root)?.push(stop)
  return {
    url,
    root,
    dataDir: config.dataDir,
    mediaRoot,
    tokens:
      config.database === null ? tokensIn(config.dataDir) : new Tokens(storage!.tokens, Date.now),
    logged,
    stop,
    ask: async (method, route, asked) => await ask(`${url}/api/v1${route}`, method, asked),
    file(name, content = `the bytes of ${name}`) {
      const file = path.join(mediaRoot, name)
      writeFileSync(file, content)
      return file
    },
  }
}

async function ask(
  url: string,
  method: string,
  { json, raw, headers = {}, signal }: Asked = {},
): Promise<Answer> {
  const answer = await fetch(url, {
    method,
    headers: json === undefined ? headers : { 'content-type': 'application/json', ...headers },
    ...(json !== undefined ? { body: JSON.stringify(json) } : raw !== undefined && { body: raw }),
    ...(signal !== undefined && { signal }),
  })
  const text = await answer.text()
  let body: Record<string, unknown> = {}
  try {
    body = JSON.parse(text) as Record<string, unknown>
  } catch {
    // Not every answer is JSON; `text` has it.
  }
  return { status: answer.status, headers: answer.headers, body, text }
}

/** Written once: a file that is written again is another one. */
function defaultFile(running: Running): string {
  const file = path.join(running.mediaRoot, 'talk.mp3')
  return existsSync(file) ? file : running.file('talk.mp3')
}

/** Creates a job for a file of the media root; its id. */
export async function createJob(
  running: Running,
  different: Record<string, unknown> = {},
): Promise<string> {
  const { status, body, text } = await running.ask('POST', '/remote-jobs/', {
    json: {
      source_file_path: different['source_file_path'] ?? defaultFile(running),
      content_type: 'audio',
      ingestion_task_id: 'task-1',
      ...different,
    },
  })
  if (status !== 200) throw new Error(`${status} ${text}`)
  return String(body['job_id'])
}

/** A job as `claim` gives it. */
export interface Claimed {
  job_id: string
  attempt: number
  lease_token: string
  source: { url: string; filename: string; size_bytes: number; sha256: string; etag: string }
  [key: string]: unknown
}

let claims = 0

export async function claim(
  running: Running,
  different: Record<string, unknown> = {},
  signal?: AbortSignal,
): Promise<Claimed[]> {
  claims += 1
  const { status, body, text } = await running.ask('POST', '/remote-jobs/claim', {
    json: { worker_id: 'w1', content_types: ['audio'], claim_id: `claim-${claims}`, ...different },
    ...(signal !== undefined && { signal }),
  })
  if (status !== 200) throw new Error(`${status} ${text}`)
  return body['jobs'] as Claimed[]
}

/** A new job, claimed by a worker with a lease. */
export async function claimedJob(
  running: Running,
  different: Record<string, unknown> = {},
): Promise<Claimed> {
  const jobId = await createJob(running, different)
  const [job] = await claim(running, { content_types: [different['content_type'] ?? 'audio'] })
  if (job?.job_id !== jobId) throw new Error('claimed another job')
  return job
}

/** Returns once the condition holds; what it awaits is another connection’s doing, of which no event comes here. */
export async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 10_000
  while (!(await holds())) {
    if (Date.now() > deadline) throw new Error(`never so: ${holds.toString()}`)
    await new Promise((resolve) => setImmediate(resolve))
  }
}
