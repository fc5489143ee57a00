import { readFileSync } from 'node:fs'
import type { ConnectionOptions } from 'node:tls'
import { isOwnAddress } from '../../../shared/addresses.ts'
import { AppError, messageOf } from '../../../shared/errors.ts'

interface Host {
  /** Absolute: the folder of a Unix socket. */
  host: string
  port: number
}

/** Where a database is, and how to talk to it. */
export interface DatabaseAddress {
  /** Tried in turn: the one that takes writes. */
  hosts: readonly Host[]
  /** Undefined: from `PGPASSFILE`, `PGPASSWORD` or the like. */
  user: string | undefined
  password: string | undefined
  database: string | undefined
  ssl: ConnectionOptions | false
  /** Off for poolers that do not know prepared statements: `prepare=false`. */
  isPrepared: boolean
  /** Off for what stands in between and cannot take several statements at a time: `pipeline=false`. */
  isPipelined: boolean
  /** For people: without names and passwords. */
  label: string
}

const FORM = 'postgres://user:password@host:5432/database'
const PORT = 5432
const SSL_MODES = ['disable', 'require', 'verify-ca', 'verify-full']
const KNOWN = ['sslmode', 'sslrootcert', 'sslcert', 'sslkey', 'host', 'prepare', 'pipeline']

/**
 * Reads `postgres://user:password@host:port,host2:port/database?sslmode=…`, as libpq does. Without `sslmode` the server's
 * certificate is checked, unless it is on this machine.
 * @throws {AppError} `usage`, without a password in it.
 */
export function databaseAddress(text: string): DatabaseAddress {
  const parts = /^postgres(?:ql)?:\/\/(?:([^@/]*)@)?([^/?]*)(?:\/([^?]*))?(?:\?(.*))?$/.exec(
    text.trim(),
  )
  if (parts === null) throw unfit(`is not like ${FORM}`)
  const [, login = '', places = '', name = '', query = ''] = parts
  const options = new URLSearchParams(query)
  const unknown = [...options.keys()].find((key) => !KNOWN.includes(key))
  if (unknown !== undefined)
    throw unfit(`has the option ${unknown}, which is none of ${KNOWN.join(', ')}`)
  const [user, password] = login.split(/:(.*)/s)
  const hosts = (options.get('host') ?? (places || 'localhost')).split(',').map(hostOf)
  const database = decoded(name)
  return {
    hosts,
    user: decoded(user),
    password: decoded(password),
    database,
    ssl: sslOf(options, hosts),
    isPrepared: options.get('prepare') !== 'false',
    isPipelined: options.get('pipeline') !== 'false',
    label: `${hosts.map(({ host, port }) => `${host}:${port}`).join(',')}/${database ?? ''}`,
  }
}

function hostOf(text: string): Host {
  const parts = /^(\[[^\]]+\]|[^:]*)(?::(\d+))?$/.exec(decoded(text) ?? '')
  const port = Number(parts?.[2] ?? PORT)
  const host = parts?.[1]?.replace(/^\[(.*)\]$/, '$1') ?? ''
  if (host === '' || port < 1 || port > 65_535) throw unfit('names no host, or no valid port')
  return { host, port }
}

function sslOf(options: URLSearchParams, hosts: readonly Host[]): ConnectionOptions | false {
  const isHere = hosts.every(({ host }) => host.startsWith('/') || isOwnAddress(host))
  const mode = options.get('sslmode') ?? (isHere ? 'disable' : 'verify-full')
  if (!SSL_MODES.includes(mode)) throw unfit(`needs an sslmode of ${SSL_MODES.join(', ')}`)
  if (mode === 'disable') return false
  const [ca, cert, key] = ['sslrootcert', 'sslcert', 'sslkey'].map((name) => {
    const file = options.get(name)
    return file === null || file === 'system' ? undefined : contentOf(file, name)
  })
  const files = { ...(ca && { ca }), ...(cert && { cert }), ...(key && { key }) }
  // As libpq: `require` looks at a certificate only where it is told what to compare it with.
  if (mode === 'require' && ca === undefined) return { ...files, rejectUnauthorized: false }
  return mode === 'verify-full' ? files : { ...files, checkServerIdentity: () => undefined }
}

function contentOf(file: string, name: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    throw unfit(`names a file that cannot be read (${name}): ${messageOf(error)}`)
  }
}

function decoded(text: string | undefined): string | undefined {
  if (text === undefined || text === '') return undefined
  try {
    return decodeURIComponent(text)
  } catch {
    throw unfit('has a % that stands for nothing: write %25')
  }
}

function unfit(why: string): AppError {
  return new AppError('usage', `The database's address ${why}.`)
}
