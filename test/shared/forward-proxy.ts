import { once } from 'node:events'
import { createServer, request as httpRequest } from 'node:http'
import { connect, type AddressInfo, type Socket } from 'node:net'
import type { TestContext } from 'node:test'

export interface ForwardProxy {
  url: string
  port: number
  /** What it was asked: `CONNECT host:port`, or the method and the whole address. */
  readonly asked: string[]
  /** What it was shown as `Proxy-Authorization`. */
  readonly shown: (string | undefined)[]
  /** A status that it answers with instead of doing it. */
  refuses: number | null
}

/**
 * A forward proxy (RFC 9110, 7.7 and 9.3.6) that alone knows where some hosts are: each of them is a port of this machine.
 */
export async function startForwardProxy(
  t: Pick<TestContext, 'after'>,
  hosts: Record<string, number>,
): Promise<ForwardProxy> {
  const asked: string[] = []
  const shown: (string | undefined)[] = []
  const sockets = new Set<Socket>()
  const known = (socket: Socket): void => {
    sockets.add(socket)
    socket.on('error', () => {}).once('close', () => sockets.delete(socket))
  }
  const server = createServer((request, response) => {
    asked.push(`${request.method} ${request.url}`)
    shown.push(request.headers['proxy-authorization'])
    const { hostname, pathname, search } = new URL(request.url ?? '')
    const port = hosts[hostname]
    if (proxy.refuses !== null || port === undefined)
      return response.writeHead(proxy.refuses ?? 502, { server: 'squid/5.7' }).end('no')
    const { 'proxy-authorization': _, ...headers } = request.headers
    const to = { host: '127.0.0.1', port, method: request.method, path: pathname + search, headers }
    const onward = httpRequest(to, (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers)
      answer.pipe(response)
    })
    onward.on('error', () => response.destroy())
    return request.pipe(onward)
  })
  server.on('connection', known)
  server.on('connect', (request, socket: Socket) => {
    asked.push(`CONNECT ${request.url}`)
    shown.push(request.headers['proxy-authorization'])
    const port = hosts[new URL(`http://${request.url}`).hostname]
    if (proxy.refuses !== null || port === undefined)
      return socket.end(`HTTP/1.1 ${proxy.refuses ?? 502} No\r\n\r\n`)
    const onward = connect(port, '127.0.0.1', () => {
      socket.write('HTTP/1.1 200 Connected\r\n\r\n')
      onward.pipe(socket).pipe(onward)
    })
    known(onward)
    return undefined
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    server.close()
    for (const socket of sockets) socket.destroy()
  })
  const { port } = server.address() as AddressInfo
  const proxy: ForwardProxy = { url: `http://127.0.0.1:${port}`, port, asked, shown, refuses: null }
  return proxy
}
