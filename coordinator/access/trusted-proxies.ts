import type { IncomingMessage } from 'node:http'
import ipaddr from 'ipaddr.js'
import { isWithin, parseNetwork, type Network, unwrapped } from '../../shared/addresses.ts'
import { AppError } from '../../shared/errors.ts'

/** The reverse proxies whose `X-Forwarded-…` headers are believed: any client may send such headers. */
export class TrustedProxies {
  readonly #networks: readonly Network[]

  /** @throws {AppError} `usage` for an entry that is neither an address nor a network (CIDR). */
  constructor(entries: readonly string[]) {
    this.#networks = entries.map((entry) => {
      const network = parseNetwork(entry)
      if (network !== null) return network
      const message = `'${entry}' is no address or network (--trusted-proxy): write it like 10.0.0.2 or 172.16.0.0/12.`
      throw new AppError('usage', message)
    })
  }

  has(address: string): boolean {
    return (
      this.#networks.length > 0 &&
      ipaddr.isValid(address) &&
      isWithin(unwrapped(ipaddr.parse(address)), this.#networks)
    )
  }

  /** Whether a request came through one. */
  sent({ socket }: IncomingMessage): boolean {
    return this.has(socket.remoteAddress ?? '')
  }

  /** The client's address: through a trusted proxy, the last in `X-Forwarded-For` that is no trusted proxy. */
  clientOf(incoming: IncomingMessage): string {
    const own = incoming.socket.remoteAddress ?? ''
    if (!this.has(own)) return own
    const named = [incoming.headers['x-forwarded-for'] ?? []].flat().join(',').split(',')
    const client = named.map((one) => one.trim()).findLast((one) => !this.has(one))
    return client !== undefined && ipaddr.isValid(client) ? client : own
  }
}
