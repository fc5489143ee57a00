import type { Socket } from 'node:net'
import { createInterface } from 'node:readline'
import { toWire } from '../../shared/keys.ts'

const COMMANDS = ['status', 'drain'] as const
export type ControlCommand = (typeof COMMANDS)[number]

const PATIENCE_MS = 5_000

/** Answers what its owner asks of a running agent, by the socket in its work folder: a word comes, a line of JSON goes. */
export class Control {
  #handlers: Record<ControlCommand, () => unknown> | null = null

  readonly #visitors = new Set<Socket>()

  /** Who connects and says nothing keeps no agent from leaving. */
  close(): void {
    for (const socket of this.#visitors) socket.destroy()
  }

  /** Until then whoever asks hears that the agent is starting. */
  handOver(handlers: Record<ControlCommand, () => unknown>): void {
    this.#handlers = handlers
  }

  readonly serve = (socket: Socket): void => {
    this.#visitors.add(socket)
    socket.once('close', () => this.#visitors.delete(socket))
    socket.setTimeout(PATIENCE_MS, () => socket.destroy())
    const lines = createInterface({ input: socket })
    // It says again what the socket says, which is heard where that comes from.
    lines.on('error', () => undefined)
    lines.once('line', (line) => {
      const command = COMMANDS.find((one) => one === line.trim())
      const answer =
        command === undefined
          ? { error: `There is no command ${line.slice(0, 40)}.` }
          : (this.#handlers?.[command]() ?? { state: 'starting' })
      socket.end(`${JSON.stringify(toWire(answer))}\n`)
    })
  }
}
