import { once } from 'node:events'
import { createServer } from 'node:http'
import { listening } from '../../shared/listening.ts'
import { agentMetrics } from './metrics.ts'
import type { AgentStatus } from './status.ts'
import type { JobTracker } from './job-tracker.ts'

export type Health = Awaited<ReturnType<typeof startHealth>>

/**
 * Serves `/livez` (it runs), `/readyz` (it takes work) and `/metrics` (Prometheus).
 * @throws {AppError} `usage` when the address cannot be listened on.
 */
export async function startHealth(
  { host, port }: { host: string; port: number },
  status: () => AgentStatus,
  tracker: JobTracker,
) {
  const server = createServer((request, response) => {
    const answer = (code: number, text: string, type = 'text/plain; charset=utf-8'): void => {
      response.writeHead(code, { 'content-type': type }).end(text)
    }
    const path = request.url?.split('?')[0]
    if (request.method !== 'GET' && request.method !== 'HEAD')
      return answer(405, 'Only GET is supported.\n')
    if (path === '/livez') return answer(200, 'ok\n')
    if (path === '/readyz') {
      const why = whyNotReady(status())
      return why === null ? answer(200, 'ready\n') : answer(503, `${why}\n`)
    }
    if (path !== '/metrics') return answer(404, 'Not found: use /livez, /readyz or /metrics.\n')
    agentMetrics(status(), tracker).then(
      ({ text, contentType }) => answer(200, text, contentType),
      () => answer(500, 'Metrics are not available.\n'),
    )
  })
  server.listen(port, host)
  const bound = await listening(server, { host, port }, '--health-addr')
  return {
    url: `http://${bound}`,
    async close(): Promise<void> {
      server.close()
      server.closeAllConnections()
      await once(server, 'close')
    },
  }
}

/** Null: it is ready. */
function whyNotReady({ state, problem, coordinators }: AgentStatus): string | null {
  if (state === 'draining') return 'It is draining.'
  if (problem !== null) return problem
  if (coordinators.some(({ isAway }) => !isAway)) return null
  return `No coordinator answers. ${coordinators.map(({ reason }) => reason).join(' ')}`
}
