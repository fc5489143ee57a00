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
import { patientPool } from '../../shared/paused-parser.ts'
import { AppError } from '../../shared/errors.ts'
import { SECOND } from '../../shared/duration.ts'

type Lookup = (
  host: string,
  options: LookupOptions & { all: true },
  callback: (error: NodeJS.ErrnoException | null, found: LookupAddress[]) => void,
) => void

export interface GuardRules {
  /** The setting that allows more, for messages. */
  flag: string
  /** Whether all public addresses are allowed. */
  isPublicAllowed: boolean
}

const WEBHOOKS: GuardRules = { flag: '--webhook-allow', isPublicAllowed: true }

/**
 * Restricts requests at a client's wish to public addresses and those that the operator allows. The checked address is the
 * one that is connected to, so a name that changes between two look-ups (DNS rebinding) gains nothing.
 */
export class AddressGuard {
  readonly #hosts = new Set<string>()
  readonly #networks: Network[] = []
  readonly #lookup: Lookup
  readonly #rules: GuardRules

  /** @throws {AppError} `usage` for an entry that is neither a host, an address nor a network (CIDR). */
  constructor(allow: readonly string[], lookup: Lookup = systemLookup, rules = WEBHOOKS) {
    this.#lookup = lookup
    this.#rules = rules
    for (const entry of allow) this.#allow(entry)
  }

  /** Why a URL is refused, without looking its name up; null when it is not. */
  whyNot(url: URL): string | null {
    const host = hostOf(url)
    if (this.#hosts.has(host)) return null
    const fix = this.#fix
    if (ipaddr.isValid(host)) return this.#isFine(host) ? null : `${host} is ${fix}.`
    return isOwnName(host) && !this.#isFine('127.0.0.1')
      ? `${host} is this machine, which is ${fix}.`
      : null
  }

  /** Connects to allowed addresses only. Literal addresses are not looked up: {@link whyNot} checks them. */
  dispatcher(): Dispatcher {
    const connect = { lookup: this.lookup, timeout: 10 * SECOND }
    return new Agent({ connect, connections: 4, factory: patientPool })
  }

  /** Finds a host's addresses, for its connection. Gives {@link AppError} `forbidden` unless all of them are allowed. */
  readonly lookup: LookupFunction = (host, options, callback) => {
    this.#lookup(host, { ...options, all: true }, (error, found) => {
      const allowed = this.#hosts.has(host.toLowerCase().replace(/\.$/, ''))
      const bad = allowed ? undefined : found?.find(({ address }) => !this.#isFine(address))
      if (error) return callback(error, [])
      if (bad !== undefined || found.length === 0) {
        const what = bad === undefined ? 'has no address' : `is at ${bad.address}`
        const why = `${host} ${what}, which is ${this.#fix}`
        return callback(new AppError('forbidden', why), [])
      }
      if (options.all === true) return callback(null, found)
      callback(null, found[0]!.address, found[0]!.family)
    })
  }

  get #fix(): string {
    const { flag, isPublicAllowed } = this.#rules
    return `not ${isPublicAllowed ? 'public' : 'allowed'}: allow it with ${flag} if it is meant`
  }

  #isFine(address: string): boolean {
    const ip = unwrapped(ipaddr.parse(address))
    return isWithin(ip, this.#networks) || (this.#rules.isPublicAllowed && isPublic(ip))
  }

  #allow(entry: string): void {
    const text = entry.toLowerCase()
    const network = parseNetwork(text)
    if (network !== null) this.#networks.push(network)
    else if (/^[a-z0-9_]([a-z0-9_.-]*[a-z0-9])?$/.test(text)) this.#hosts.add(text)
    else {
      const message = `'${entry}' is no host, address or network (${this.#rules.flag}): write it like hooks.lan or 10.0.0.0/8.`
      throw new AppError('usage', message)
    }
  }
}
