import type { Socket } from 'node:net'
import { createInterface } from 'node:readline'
import { toWire } from '../../shared/keys.ts'

const COMMANDS = ['status', 'drain'] as const
export type ControlCommand = (typeof COMMANDS)[number]

const PATIENCE_MS = 5_000

/** Answers commands of its owner to a running agent, by the socket in its work folder: a word in, a line of JSON out. */
export class Control {
  #handlers: Record<ControlCommand, () => unknown> | null = null
  readonly #sockets = new Set<Socket>()

  close(): void {
    for (const socket of this.#sockets) socket.destroy()
  }

  handOver(handlers: Record<ControlCommand, () => unknown>): void {
    this.#handlers = handlers
  }

  readonly serve = (socket: Socket): void => {
    this.#sockets.add(socket)
    socket.once('close', () => this.#sockets.delete(socket))
    socket.setTimeout(PATIENCE_MS, () => socket.destroy())
    const lines = createInterface({ input: socket })
    // readline repeats the socket's errors, which lock.ts handles.
    lines.on('error', () => undefined)
    lines.once('line', (line) => {
      const command = COMMANDS.find((one) => one === line.trim())
      const answer =
        command === undefined
          ? { error: `Unknown command ${line.slice(0, 40)}.` }
          : (this.#handlers?.[command]() ?? { state: 'starting' })
      socket.end(`${JSON.stringify(toWire(answer))}\n`)
    })
  }
}
