import type { IncomingMessage, Server } from 'node:http'
import type { Socket } from 'node:net'
import type { Logger } from 'pino'
import { networkOf } from '../../shared/addresses.ts'
import { FLEET_LIMITS } from '../fleet-limits.ts'
import { enter, leave, type Groups } from '../groups.ts'
import { MINUTE } from '../../shared/duration.ts'

export interface ConnectionLimits {
  readonly all: number
  /** Without a token so far. */
  readonly strangers: number
  /** Without a token so far, per address other than loopback; may be infinite. */
  readonly perAddress: number
}

export interface ConnectionSettings {
  /** Null: by the process's descriptors. */
  readonly all: number | null
  /** Null: a sixteenth of all. */
  readonly perAddress: number | 'off' | null
}

/** Descriptors for the journal, the lock, modules, pipes and children. */
const OWN_DESCRIPTORS = 64
/** When the limit is unknown or unlimited. */
const DEFAULT_DESCRIPTORS = 65_536
const MAX_STRANGERS = 4_096

interface Connection {
  socket: Socket
  /** The client's address; for IPv6 its /64 network. */
  network: string
}

export interface OpenConnectionsOptions {
  log: Logger
  /** Whether many clients share an address: it has no limit of its own. */
  isShared: (address: string) => boolean
  /** A monotonic clock, in milliseconds. */
  now?: () => number
}

const LOG_EVERY_MS = MINUTE

/**
 * Bounds the open connections, so that descriptors are left for files. A connection is a stranger's until a request on it
 * has shown a token. At a limit the stranger without a request for longest is closed; above the limit for all, a new
 * connection is refused when there are no strangers.
 */
export class OpenConnections {
  readonly #limits: ConnectionLimits
  readonly #log: Logger
  readonly #isShared: (address: string) => boolean
  readonly #now: () => number
  /** By both addresses: over TLS a request's socket is not the accepted one. */
  readonly #strangers = new Map<string, Connection>()
  readonly #strangersOf: Groups<string> = new Map()
  #open = 0
  #cut = 0
  #loggedAt = -Infinity

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

  /** Connections closed or refused so far. */
  get cut(): number {
    return this.#cut
  }

  watch(server: Server): void {
    server.on('connection', (socket: Socket) => this.#accept(socket))
    server.prependListener('request', ({ socket }: IncomingMessage) => this.#renew(socket))
  }

  /** The client has shown a token, or needs none. */
  vouch(socket: Socket): void {
    if (this.#strangers.size > 0) this.#forget(endsOf(socket))
  }

  #accept(socket: Socket): void {
    const ends = endsOf(socket)
    // Already closed.
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
    enter(this.#strangersOf, network, ends)
    socket.once('close', () => {
      this.#open -= 1
      if (this.#strangers.get(ends)?.socket === socket) this.#forget(ends)
    })
  }

  #renew(socket: Socket): void {
    if (this.#strangers.size === 0) return
    const ends = endsOf(socket)
    const connection = this.#strangers.get(ends)
    if (connection === undefined) return
    this.#strangers.delete(ends)
    this.#strangers.set(ends, connection)
    leave(this.#strangersOf, connection.network, ends)
    enter(this.#strangersOf, connection.network, ends)
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
    if (this.#now() - this.#loggedAt < LOG_EVERY_MS) return
    this.#loggedAt = this.#now()
    this.#log.warn(
      { limit, open: this.#open, without_token: this.strangers, cut: this.#cut },
      `limit of open connections reached (${limit}); closing the oldest without a token, or refusing new ones; see --max-connections`,
    )
  }

  #forget(ends: string): void {
    const connection = this.#strangers.get(ends)
    if (connection === undefined) return
    this.#strangers.delete(ends)
    leave(this.#strangersOf, connection.network, ends)
  }
}

function endsOf({ remoteAddress, remotePort, localAddress, localPort }: Socket): string {
  return [remoteAddress, remotePort, localAddress, localPort].join(' ')
}

function first(values: Iterable<string>): string | undefined {
  for (const value of values) return value
  return undefined
}

/**
 * Limits that leave descriptors for files: a connection with an upload or a download takes two. A quarter of the
 * connections may be without a token, a quarter of those from one address.
 * @param descriptors the process's limit.
 */
export function connectionLimits(
  set: ConnectionSettings,
  descriptors: number = descriptorLimit(),
): ConnectionLimits {
  const all = set.all ?? Math.max(16, Math.floor((descriptors - OWN_DESCRIPTORS) / 2))
  const strangers = Math.min(MAX_STRANGERS, Math.max(4, Math.floor(all / 4)))
  const usual = Math.max(2, Math.floor(strangers / 4))
  const perAddress = set.perAddress === 'off' ? Infinity : (set.perAddress ?? usual)
  return { all, strangers, perAddress }
}

/**
 * Settings that the open files of the process cannot carry, each with its remedy, as sentences.
 * @param waiting the calls that may wait for work, which take a connection each.
 */
export function descriptorWarnings(
  set: ConnectionSettings,
  waiting: number,
  descriptors: number = descriptorLimit(),
): string[] {
  const { all } = connectionLimits(set, descriptors)
  const raise = (needed: number): string =>
    `raise the limit of open files to ${needed} (ulimit -n, or LimitNOFILE= of the service)`
  if (all + OWN_DESCRIPTORS > descriptors) {
    return [
      `--max-connections ${all} is more than ${descriptors} open files allow: ${raise(all + OWN_DESCRIPTORS)}, or set ${Math.max(8, descriptors - OWN_DESCRIPTORS)} at most`,
    ]
  }
  if (waiting <= Math.max(all, FLEET_LIMITS.waiting)) return []
  return [
    `--max-waiting ${waiting} needs as many connections, and ${all} are allowed: ${raise(2 * waiting + OWN_DESCRIPTORS)}, or set --max-connections above it`,
  ]
}

/** `ulimit -n`, which Node raises to the hard limit. */
function descriptorLimit(): number {
  const report = process.report.getReport() as { userLimits?: Record<string, { soft?: unknown }> }
  const soft = Number(report.userLimits?.['open_files']?.soft)
  return Number.isSafeInteger(soft) && soft > 0 ? soft : DEFAULT_DESCRIPTORS
}
