import { once } from 'node:events'
import { ServerResponse, type IncomingMessage, type Server } from 'node:http'
import { createServer, type Server as TlsServer } from 'node:https'
import { createAdaptorServer, type ServerType } from '@hono/node-server'
import type { Hono } from 'hono'
import type { Logger } from 'pino'
import { COORDINATOR_MARK, MARK_VALUE } from '../../shared/coordinator-mark.ts'
import { MINUTE, SECOND } from '../../shared/duration.ts'
import { listening } from '../../shared/listening.ts'
import { startTimer } from '../../shared/timers.ts'
import type { OpenConnections } from '../access/open-connections.ts'
import type { Config } from '../config.ts'
import { closeInLine, connectionsOf, continueWhenRead } from './connections.ts'
import { MAX_HEADER_BYTES, type Limits } from './limits.ts'
import type { Env } from '../routes/http.ts'
import { refuseUnfit } from './slow-clients.ts'
import { followCertificate, readCertificate } from './tls.ts'

export type HttpListener = Awaited<ReturnType<typeof listen>>

/** How long open downloads may go on after a stop. */
const CLOSE_MS = 10 * SECOND
/** Connections that wait to be accepted, as after a restart under a fleet; the system may allow fewer (`somaxconn`). */
const BACKLOG = 4_096

/** Puts the coordinator's mark on every answer, also on those that Node gives itself. */
class MarkedResponse<
  Request extends IncomingMessage = IncomingMessage,
> extends ServerResponse<Request> {
  constructor(...args: ConstructorParameters<typeof ServerResponse<Request>>) {
    super(...args)
    this.setHeader(COORDINATOR_MARK, MARK_VALUE)
  }
}

/**
 * Serves an app on the configured address.
 * @throws {AppError} `usage` when the address or the certificate cannot be used.
 */
export async function listen(
  app: Hono<Env>,
  { host, port, tls }: Pick<Config, 'host' | 'port' | 'tls'>,
  { limits, connections, log }: { limits: Limits; connections: OpenConnections; log: Logger },
) {
  const { idleMs, certificateMs: everyMs } = limits
  const certificate = tls === null ? null : await readCertificate(tls)
  // An upload may take hours; only the headers must come soon.
  const options = {
    ServerResponse: MarkedResponse,
    maxHeaderSize: MAX_HEADER_BYTES,
    requestTimeout: 0,
    headersTimeout: MINUTE,
    keepAliveTimeout: 75 * SECOND,
  }
  const where = { fetch: app.fetch, hostname: host }
  const served: ServerType =
    certificate === null
      ? createAdaptorServer({ ...where, serverOptions: options })
      : createAdaptorServer({
          ...where,
          createServer,
          serverOptions: { ...options, ...certificate, handshakeTimeout: idleMs },
        })
  const server = served as Server
  connections.watch(server)
  refuseUnfit(server, idleMs, log)
  continueWhenRead(server)
  closeInLine(server)
  const hangUp = connectionsOf(server)
  server.listen({ host, port, backlog: BACKLOG })
  const bound = await listening(server, { host, port }, '--port or --host')
  const follow =
    tls === null || certificate === null
      ? null
      : followCertificate(served as TlsServer, tls, certificate, { everyMs, log })
  return {
    /** `https` with a certificate, else `http`. */
    url: `${tls === null ? 'http' : 'https'}://${bound}`,
    /** Takes no more connections; resolves when open answers are sent, or cut. */
    async close(): Promise<void> {
      follow?.()
      const closed = once(server, 'close')
      server.close()
      hangUp()
      const cut = startTimer(() => server.closeAllConnections(), CLOSE_MS)
      await closed
      clearTimeout(cut)
    },
  }
}
