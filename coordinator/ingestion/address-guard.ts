import { lookup as systemLookup } from 'node:dns'
import type { LookupAddress, LookupOptions } from 'node:dns'
import type { LookupFunction } from 'node:net'
import ipaddr from 'ipaddr.js'
import { Agent, type Dispatcher } from 'undici'
import {
  hostOf,
  isOwnName,
  isPublic,
  isWithin,
  parseNetwork,
  unwrapped,
  type Network,
} from '../../shared/addresses.ts'
import { AppError } from '../../shared/errors.ts'
import { SECOND } from '../../shared/duration.ts'

type Lookup = (
  host: string,
  options: LookupOptions & { all: true },
  callback: (error: NodeJS.ErrnoException | null, found: LookupAddress[]) => void,
) => void

const FIX = 'allow it with --webhook-allow if it is meant'

/**
 * Restricts webhooks to public addresses and those that the operator allows. The checked address is the one that is
 * connected to, so a name that changes between two look-ups (DNS rebinding) gains nothing.
 */
export class AddressGuard {
  readonly #hosts = new Set<string>()
  readonly #networks: Network[] = []
  readonly #lookup: Lookup

  /** @throws {AppError} `usage` for an entry that is neither a host, an address nor a network (CIDR). */
  constructor(allow: readonly string[], lookup: Lookup = systemLookup) {
    this.#lookup = lookup
    for (const entry of allow) this.#allow(entry)
  }

  /** Why a URL is refused, without looking its name up; null when it is not. */
  whyNot(url: URL): string | null {
    const host = hostOf(url)
    if (this.#hosts.has(host)) return null
    if (ipaddr.isValid(host)) return this.#isFine(host) ? null : `${host} is not public: ${FIX}.`
    return isOwnName(host) && !this.#isFine('127.0.0.1') ? `${host} is this machine: ${FIX}.` : null
  }

  /** Connects to allowed addresses only. Literal addresses are not looked up: {@link whyNot} checks them. */
  dispatcher(): Dispatcher {
    const lookup: LookupFunction = (host, options, callback) => {
      this.#lookup(host, { ...options, all: true }, (error, found) => {
        const allowed = this.#hosts.has(host.toLowerCase().replace(/\.$/, ''))
        const bad = allowed ? undefined : found?.find(({ address }) => !this.#isFine(address))
        if (error) return callback(error, [])
        if (bad !== undefined || found.length === 0) {
          const what = bad === undefined ? 'has no address' : `is at ${bad.address}`
          return callback(new Error(`${host} ${what}, which is not public: ${FIX}`), [])
        }
        if (options.all === true) return callback(null, found)
        callback(null, found[0]!.address, found[0]!.family)
      })
    }
    return new Agent({ connect: { lookup, timeout: 10 * SECOND }, connections: 4 })
  }

  #isFine(address: string): boolean {
    const ip = unwrapped(ipaddr.parse(address))
    return isWithin(ip, this.#networks) || isPublic(ip)
  }

  #allow(entry: string): void {
    const text = entry.toLowerCase()
    const network = parseNetwork(text)
    if (network !== null) this.#networks.push(network)
    else if (/^[a-z0-9_]([a-z0-9_.-]*[a-z0-9])?$/.test(text)) this.#hosts.add(text)
    else {
      const message = `'${entry}' is no host, address or network (--webhook-allow): write it like hooks.lan or 10.0.0.0/8.`
      throw new AppError('usage', message)
    }
  }
}
