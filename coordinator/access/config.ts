import type { Command } from 'commander'
import { isOwnAddress } from '../../shared/addresses.ts'
import { AppError } from '../../shared/errors.ts'
import { setting, wholeNumber } from '../../shared/settings.ts'
import { commaList } from '../setting-values.ts'
import type { ConnectionSettings } from './connection-limits.ts'
import { hasTokens } from './tokens.ts'

/** Who may come in, beside the holders of tokens. */
export interface AccessConfig {
  /** Lets its holder do everything; null: there is none. */
  readonly apiKey: string | null
  /** Nobody is asked for a token while there is none, also beyond this machine. */
  readonly insecureNoAuth: boolean
  readonly connections: ConnectionSettings
  /** Addresses and networks of reverse proxies whose `X-Forwarded-…` is believed. */
  readonly trustedProxies: readonly string[]
}

export interface AccessFlags {
  insecureNoAuth?: true
  maxConnections?: number
  /** Infinite: no limit. */
  maxConnectionsPerAddress?: number
  trustedProxy?: string[]
}

/** That setting's variable, which is a switch. */
export const NO_AUTH_VARIABLE = 'MORAG_INSECURE_NO_AUTH'

export function addAccessSettings(command: Command): void {
  command
    .addOption(
      setting(
        '--insecure-no-auth',
        'let everybody in while there is no token, also beyond this machine',
        NO_AUTH_VARIABLE,
      ),
    )
    .addOption(
      setting(
        '--max-connections <count>',
        'open connections, in all (default: half of the open files allowed)',
        'MORAG_MAX_CONNECTIONS',
      ).argParser(wholeNumber(8, 1_000_000)),
    )
    .addOption(
      setting(
        '--max-connections-per-address <count>',
        'open connections of one address that have not shown a token, or off; not for loopback (default: a sixteenth of all)',
        'MORAG_MAX_CONNECTIONS_PER_ADDRESS',
      ).argParser((text) => (text === 'off' ? Infinity : wholeNumber(1, 1_000_000)(text))),
    )
    .addOption(
      setting(
        '--trusted-proxy <address>',
        'reverse proxy, or network of them (CIDR), whose X-Forwarded headers are believed; repeat for more',
        'MORAG_TRUSTED_PROXIES',
      ).argParser(commaList),
    )
}

/**
 * @param listens where, and over which data folder.
 * @throws {AppError} `usage` when that would let strangers in.
 */
export function accessConfig(
  flags: AccessFlags,
  { host, dataDir }: { host: string; dataDir: string },
): AccessConfig {
  const apiKey = process.env['MORAG_API_KEY']?.trim() || null
  const insecureNoAuth = flags.insecureNoAuth ?? false
  if (apiKey === null && !insecureNoAuth && !isOwnAddress(host) && !hasTokens(dataDir)) {
    const message = `Listening on ${host} lets everybody on the network in: make a token (morag-coordinator token create --help), set MORAG_API_KEY, or use --host 127.0.0.1. To let them in on purpose: --insecure-no-auth.`
    throw new AppError('usage', message)
  }
  const { maxConnections, maxConnectionsPerAddress } = flags
  const connections = { all: maxConnections ?? null, perAddress: maxConnectionsPerAddress ?? null }
  return { apiKey, insecureNoAuth, connections, trustedProxies: flags.trustedProxy ?? [] }
}
