import type { IncomingHttpHeaders, IncomingMessage } from 'node:http'
import { TLSSocket } from 'node:tls'
import { withoutSession } from '../access/session.ts'
import { isToken } from '../access/token-text.ts'

/** Whose keys a request may carry. */
export interface ProxyKeys {
  /** Put in the place of our own key; null: nothing is. */
  moragApiKey: string | null
  /** Ours, which like our tokens is for nobody else to see; null: there is none. */
  ownApiKey: string | null
}

type Headers = Record<string, string | string[]>

/** What is about one connection, and not about the request (RFC 9110, section 7.6.1). */
const HOP_BY_HOP = new Set([
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
])

/** What a proxy says of a client and its request: of another's it may be anything. */
const SAID_BY_PROXIES =
  /^(forwarded|x-forwarded-.*|x-real-ip|x-original-(url|uri|host|for|proto)|x-rewrite-url)$/

/**
 * A client's headers as the server behind gets them: without our keys, with whom they came from.
 * @param isTrusted whether they came by a proxy that is trusted to say that.
 */
export function headersToServer(
  incoming: IncomingMessage,
  keys: ProxyKeys,
  isTrusted: boolean,
): Headers {
  const headers = endToEnd(incoming.headers)
  const { host } = incoming.headers
  // The next connection has its own; to wait for leave to send is over once we read.
  delete headers['host']
  delete headers['expect']
  replaceKey(headers, keys)
  const cookies = withoutSession(incoming.headers.cookie ?? '')
  if (cookies === null) delete headers['cookie']
  else headers['cookie'] = cookies
  if (!isTrusted) {
    for (const name of Object.keys(headers)) if (SAID_BY_PROXIES.test(name)) delete headers[name]
  }
  const address = incoming.socket.remoteAddress
  const before = headers['x-forwarded-for']
  if (address !== undefined)
    headers['x-forwarded-for'] = [before, address].flat().filter(Boolean).join(', ')
  if (host !== undefined) headers['x-forwarded-host'] ??= host
  headers['x-forwarded-proto'] ??= incoming.socket instanceof TLSSocket ? 'https' : 'http'
  return headers
}

/** Those of a message that are meant for whoever gets it last. */
export function endToEnd(headers: IncomingHttpHeaders): Headers {
  const named = String(headers.connection ?? '')
    .toLowerCase()
    .split(',')
    .map((name) => name.trim())
  return Object.fromEntries(
    Object.entries(headers).filter(
      (pair): pair is [string, string | string[]] =>
        pair[1] !== undefined && !HOP_BY_HOP.has(pair[0]) && !named.includes(pair[0]),
    ),
  )
}

function replaceKey(headers: Headers, { moragApiKey, ownApiKey }: ProxyKeys): void {
  const isOurs = (given: string): boolean => given === ownApiKey || isToken(given)
  // As loosely as they are looked for when they let a request in.
  const bearer = /^Bearer +(.+)$/i.exec(String(headers['authorization'] ?? ''))?.[1]
  if (isOurs(bearer?.trim() ?? '')) delete headers['authorization']
  if (isOurs(String(headers['x-api-key'] ?? '').trim())) delete headers['x-api-key']
  if (moragApiKey === null) return
  const isTheClients = 'authorization' in headers || 'x-api-key' in headers
  if (ownApiKey === null && isTheClients) return
  headers['authorization'] ??= `Bearer ${moragApiKey}`
  headers['x-api-key'] ??= moragApiKey
}
