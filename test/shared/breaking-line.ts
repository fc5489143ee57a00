import { once } from 'node:events'
import net from 'node:net'

/** A TCP line to a server, which a test cuts: each connection through it goes to the server by one of its own. */
export class BreakingLine {
  readonly port: number
  /** Called with what a client sends; true: it arrives, and its answer is lost with the connection. */
  losesAnswer: (sent: Buffer) => boolean = () => false
  /** Connections stay open, and nothing arrives any more. */
  swallows = false
  readonly #sockets = new Set<net.Socket>()
  #isOpen = true

  private constructor(server: net.Server) {
    this.port = (server.address() as net.AddressInfo).port
  }

  static async to(port: number, t: { after(end: () => void): void }): Promise<BreakingLine> {
    const server = net.createServer((client) => line.#connect(client, port))
    await once(server.listen(0, '127.0.0.1'), 'listening')
    const line = new BreakingLine(server)
    t.after(() => {
      line.break()
      server.close()
    })
    return line
  }

  /** Cuts all connections; new ones are refused until {@link mend}. */
  break(): void {
    this.#isOpen = false
    this.cut()
  }

  cut(): void {
    for (const socket of this.#sockets) socket.destroy()
  }

  mend(): void {
    this.#isOpen = true
  }

  #connect(client: net.Socket, port: number): void {
    if (!this.#isOpen) return void client.destroy()
    const upstream = net.connect(port, '127.0.0.1')
    let isLost = false
    for (const [from, to] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      this.#sockets.add(from)
      from.on('error', () => undefined)
      from.on('close', () => {
        this.#sockets.delete(from)
        to.destroy()
      })
    }
    client.on('data', (sent: Buffer) => {
      isLost ||= this.losesAnswer(sent)
      if (!this.swallows) upstream.write(sent)
    })
    upstream.on('data', (answer: Buffer) => {
      if (isLost) client.destroy()
      else if (!this.swallows) client.write(answer)
    })
  }
}
