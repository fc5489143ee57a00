import { once } from 'node:events'
import type { Server, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { serve } from '@hono/node-server'
import type { Logger } from 'pino'
import { MINUTE, SECOND } from '../shared/duration.ts'
import { AppError, isSystemError } from '../shared/errors.ts'
import { createApp } from './app.ts'
import { assemble } from './assemble.ts'
import type { Config } from './config.ts'
import { MediaRoots } from './media-roots.ts'
import type { Services } from './services.ts'
import { FileJobStore } from './store.ts'

export interface Coordinator {
  /** Where it listens, `http://host:port`. */
  url: string
  /** Answers what is under way, brings the folders up to date and lets go of them. */
  close(): Promise<void>
}

const SWEEP_MS = SECOND
const RETIRE_MS = MINUTE
const JOURNAL_BYTES = 64 * 1024 * 1024
/** How long downloads under way may go on once it stops. */
const CLOSE_MS = 10 * SECOND

/**
 * Starts a coordinator.
 * @throws {AppError} `usage` when its folder, a media root or its address cannot be used.
 */
export async function startCoordinator(config: Config, log: Logger): Promise<Coordinator> {
  const roots = await MediaRoots.resolve(config.mediaRoots)
  const store = await FileJobStore.open({
    dir: config.dataDir,
    now: Date.now,
    journalBytes: JOURNAL_BYTES,
    onError: (message, error) => log.error({ err: error ?? undefined }, message),
  })
  try {
    const services = await assemble(config, log, store, roots)
    const server = await listen(services)
    const hangUp = connectionsOf(server)
    const { address, port, family } = server.address() as AddressInfo
    const url = `http://${family === 'IPv6' ? `[${address}]` : address}:${port}`
    const stopSweep = sweep(services)
    services.continuations.start()
    log.info({ url, data_dir: config.dataDir, jobs: store.size }, `listening on ${url}`)
    return {
      url,
      async close() {
        stopSweep()
        const closed = once(server, 'close')
        server.close()
        hangUp()
        services.claims.close()
        const cut = setTimeout(() => server.closeAllConnections(), CLOSE_MS)
        await closed
        clearTimeout(cut)
        await services.continuations.close()
        await services.morag?.close()
        await services.files.checkpoints.settled()
        await store.close()
      },
    }
  } catch (error) {
    await store.close()
    throw error
  }
}

async function listen(services: Services): Promise<Server> {
  const { host, port } = services.config
  const app = createApp(services)
  const server = serve({
    fetch: app.fetch,
    hostname: host,
    port,
    // An upload may take hours; only the headers must come soon.
    serverOptions: { requestTimeout: 0, headersTimeout: MINUTE, keepAliveTimeout: 75 * SECOND },
  }) as Server
  try {
    if (!server.listening) await once(server, 'listening')
    return server
  } catch (error) {
    if (!isSystemError(error, 'EADDRINUSE', 'EACCES', 'EADDRNOTAVAIL', 'ENOTFOUND', 'EAI_AGAIN'))
      throw error
    throw new AppError(
      'usage',
      `Cannot listen on ${host}:${port} (${error.code}): choose another --port or --host.`,
      { cause: error },
    )
  }
}

/**
 * Watches a server's connections; returns what makes each of them end with the answer under way on it. A client that
 * keeps its connection would else hold the server until that is cut.
 */
function connectionsOf(server: Server): () => void {
  const answers = new Set<ServerResponse>()
  let ending = false
  const endWith = (answer: ServerResponse): void => {
    const { socket } = answer
    if (!answer.headersSent) answer.shouldKeepAlive = false
    else answer.once('finish', () => socket?.destroySoon())
  }
  server.prependListener('request', (_, answer: ServerResponse) => {
    if (ending) return endWith(answer)
    answers.add(answer)
    answer.once('close', () => answers.delete(answer))
  })
  return () => {
    ending = true
    for (const answer of answers) endWith(answer)
  }
}

/** Runs the upkeep at its times, one pass after the other; returns what stops it. */
function sweep({ upkeep, workers, log }: Services): () => void {
  let retireAt = 0
  let timer: NodeJS.Timeout
  let stopped = false
  const pass = async (): Promise<void> => {
    try {
      await upkeep.expire()
      if (Date.now() >= retireAt) {
        retireAt = Date.now() + RETIRE_MS
        workers.prune()
        await upkeep.retire()
      }
    } catch (error) {
      log.error({ err: error }, 'the sweep failed')
    }
    if (!stopped) timer = setTimeout(() => void pass(), SWEEP_MS).unref()
  }
  timer = setTimeout(() => void pass(), SWEEP_MS).unref()
  return () => {
    stopped = true
    clearTimeout(timer)
  }
}
