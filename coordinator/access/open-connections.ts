import type { IncomingMessage, Server } from 'node:http'
import type { Socket } from 'node:net'
import type { Logger } from 'pino'
import { networkOf } from '../../shared/addresses.ts'
import { MINUTE } from '../../shared/duration.ts'
import type { ConnectionLimits } from './connection-limits.ts'

/** An open connection. */
interface Connection {
  socket: Socket
  /** Its client's address; an IPv6 one by its network of 64 bits. */
  network: string
}

export interface OpenConnectionsOptions {
  log: Logger
  /** Whether many clients may come from an address, for which then no limit of its own holds. */
  isShared: (address: string) => boolean
  /** A clock that nobody sets, in milliseconds. */
  now?: () => number
}

/** How often the log repeats that a limit is reached. */
const SAY_EVERY_MS = MINUTE

/**
 * Bounds the open connections, so that descriptors are left for files. A connection is a stranger's until a request on it
 * was let in by a token. Strangers make room for each other: the one ends that has asked nothing for longest, since whoever
 * has a token shows it with the first request. Above the limit for all, a stranger ends, or the new connection is refused
 * where there is none.
 */
export class OpenConnections {
  readonly #limits: ConnectionLimits
  readonly #log: Logger
  readonly #isShared: (address: string) => boolean
  readonly #now: () => number
  /** By the ends of the connection: over TLS a request has another socket than the one that was accepted. */
  readonly #strangers = new Map<string, Connection>()
  readonly #strangersOf = new Map<string, Set<string>>()
  #open = 0
  #cut = 0
  #saidAt = -Infinity

  constructor(
    limits: ConnectionLimits,
    { log, isShared, now = () => performance.now() }: OpenConnectionsOptions,
  ) {
    this.#limits = limits
    this.#log = log
    this.#isShared = isShared
    this.#now = now
  }

  get open(): number {
    return this.#open
  }

  get strangers(): number {
    return this.#strangers.size
  }

  /** How many were ended or refused for a limit so far. */
  get cut(): number {
    return this.#cut
  }

  /** Holds a server's connections to the limits from now on. */
  watch(server: Server): void {
    server.on('connection', (socket: Socket) => this.#accept(socket))
    server.prependListener('request', ({ socket }: IncomingMessage) => this.#renew(socket))
  }

  /** The connection's client has been let in by a token, or where none is asked for. */
  vouch(socket: Socket): void {
    this.#forget(endsOf(socket))
  }

  #accept(socket: Socket): void {
    const ends = endsOf(socket)
    // It has gone already.
    if (socket.remoteAddress === undefined) return
    const network = networkOf(socket.remoteAddress)
    const { all, strangers, perAddress } = this.#limits
    const ofNetwork = this.#strangersOf.get(network)
    if (
      ofNetwork !== undefined &&
      ofNetwork.size >= perAddress &&
      !this.#isShared(socket.remoteAddress)
    )
      this.#end(first(ofNetwork), `${perAddress} of ${network} without a token`)
    else if (this.#strangers.size >= strangers)
      this.#end(first(this.#strangers.keys()), `${strangers} without a token`)
    else if (this.#open >= all) {
      const oldest = first(this.#strangers.keys())
      if (oldest === undefined) return this.#refuse(socket, `${all} in all`)
      this.#end(oldest, `${all} in all`)
    }
    this.#open += 1
    this.#strangers.set(ends, { socket, network })
    const known = this.#strangersOf.get(network)
    if (known === undefined) this.#strangersOf.set(network, new Set([ends]))
    else known.add(ends)
    socket.once('close', () => {
      this.#open -= 1
      if (this.#strangers.get(ends)?.socket === socket) this.#forget(ends)
    })
  }

  /** Puts a stranger that asks something behind those that do not. */
  #renew(socket: Socket): void {
    const ends = endsOf(socket)
    const connection = this.#strangers.get(ends)
    if (connection === undefined) return
    this.#strangers.delete(ends)
    this.#strangers.set(ends, connection)
    const ofNetwork = this.#strangersOf.get(connection.network)
    ofNetwork?.delete(ends)
    ofNetwork?.add(ends)
  }

  #end(ends: string | undefined, limit: string): void {
    const connection = ends === undefined ? undefined : this.#strangers.get(ends)
    if (ends === undefined || connection === undefined) return
    this.#forget(ends)
    this.#refuse(connection.socket, limit)
  }

  #refuse(socket: Socket, limit: string): void {
    this.#cut += 1
    socket.destroy()
    if (this.#now() - this.#saidAt < SAY_EVERY_MS) return
    this.#saidAt = this.#now()
    this.#log.warn(
      { limit, open: this.#open, without_token: this.strangers, cut: this.#cut },
      `the limit of open connections is reached (${limit}): the oldest without a token end, or new ones are refused; see --max-connections`,
    )
  }

  #forget(ends: string): void {
    const connection = this.#strangers.get(ends)
    if (connection === undefined) return
    this.#strangers.delete(ends)
    const ofNetwork = this.#strangersOf.get(connection.network)
    ofNetwork?.delete(ends)
    if (ofNetwork?.size === 0) this.#strangersOf.delete(connection.network)
  }
}

function endsOf({ remoteAddress, remotePort, localAddress, localPort }: Socket): string {
  return [remoteAddress, remotePort, localAddress, localPort].join(' ')
}

function first(values: Iterable<string>): string | undefined {
  for (const value of values) return value
  return undefined
}
