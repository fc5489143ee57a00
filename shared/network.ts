import { isSystemError } from './errors.ts'

const NETWORK_CODES = [
  'ECONNREFUSED',
  'ECONNRESET',
  'ECONNABORTED',
  'EPIPE',
  'ETIMEDOUT',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'EHOSTDOWN',
  'ENETUNREACH',
  'ENETDOWN',
  'UND_ERR_SOCKET',
  'UND_ERR_CONNECT_TIMEOUT',
  'UND_ERR_HEADERS_TIMEOUT',
  'UND_ERR_BODY_TIMEOUT',
  'UND_ERR_RES_CONTENT_LENGTH_MISMATCH',
]

const CERTIFICATE_CODES = [
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'CERT_HAS_EXPIRED',
  'CERT_NOT_YET_VALID',
  'CERT_UNTRUSTED',
  'ERR_TLS_CERT_ALTNAME_INVALID',
]

export function isCertificateError(error: unknown): boolean {
  return isSystemError(error, ...CERTIFICATE_CODES)
}

function isHandshakeError(error: Error): boolean {
  return (
    isSystemError(error, 'EPROTO') || ('code' in error && String(error.code).startsWith('ERR_SSL_'))
  )
}

/** Whether an error of undici is about the connection, not the request. */
export function isNetworkError(error: unknown): boolean {
  if (!(error instanceof Error)) return false
  if (isSystemError(error, ...NETWORK_CODES) || isCertificateError(error)) return true
  if (isHandshakeError(error)) return true
  if (error instanceof AggregateError) return error.errors.some(isNetworkError)
  return error.name.startsWith('HTTPParserError') || proxyRefusal(error) !== null
}

/** Why a proxy refused to connect; null: none did. undici reports it in the message only. */
function proxyRefusal(error: Error): string | null {
  if (isSystemError(error, 'UND_ERR_PRX_TLS')) return 'the certificate of the proxy is not trusted'
  const status =
    /^Proxy response \((\d+)\)/.exec(error.message)?.[1] ??
    /^Proxy Authentication Required \((407)\)/.exec(error.message)?.[1]
  if (status === undefined) return null
  const why = status === '407' ? ', it requires a name and a password' : ''
  return `the proxy refused (${status}${why})`
}

/** For people. */
export function networkReason(error: unknown): string {
  if (error instanceof AggregateError) return networkReason(error.errors[0])
  if (!(error instanceof Error)) return String(error)
  if (isCertificateError(error)) return `its certificate is not trusted (${error.message})`
  const refusal = proxyRefusal(error)
  if (refusal !== null) return refusal
  if (isPlainAnswer(error)) return 'the server does not speak TLS'
  if (isHandshakeError(error)) {
    const why = 'reason' in error ? String(error.reason) : error.message
    return `TLS failed (${why})`
  }
  if (isSystemError(error, 'ECONNREFUSED')) return 'the connection was refused'
  if (isSystemError(error, 'ENOTFOUND', 'EAI_AGAIN')) return 'the host name is unknown'
  if (isSystemError(error, 'UND_ERR_CONNECT_TIMEOUT', 'ETIMEDOUT')) return 'no answer'
  if (isSystemError(error, 'UND_ERR_HEADERS_TIMEOUT', 'UND_ERR_BODY_TIMEOUT'))
    return 'it stopped answering'
  if (isSystemError(error, 'ECONNRESET', 'EPIPE', 'UND_ERR_SOCKET')) return 'the connection was cut'
  return error.message === '' ? error.name : error.message
}

/** The first bytes of a TLS alert (RFC 8446, 5.1 and 6). */
const TLS_ALERT = Buffer.from([0x15, 0x03])

/**
 * The fix for a connection that failed because only one side speaks TLS; null: it failed for another reason.
 * @param url of the request.
 */
export function schemeHint(error: unknown, url: string): string | null {
  const { protocol, host } = new URL(url)
  if (protocol === 'https:') {
    return isPlainAnswer(error) ? `It does not speak TLS: write http://${host}.` : null
  }
  if (isTlsAnswer(error)) return `It speaks TLS: write https://${host}.`
  return isCutUnread(error) ? `Where it speaks TLS, write https://${host}.` : null
}

function isPlainAnswer(error: unknown): boolean {
  return isSystemError(
    error,
    'ERR_SSL_WRONG_VERSION_NUMBER',
    'ERR_SSL_PACKET_LENGTH_TOO_LONG',
    'ERR_SSL_HTTP_REQUEST',
  )
}

function isTlsAnswer(error: unknown): boolean {
  const data = error instanceof Error && 'data' in error ? error.data : null
  const bytes = Buffer.from(typeof data === 'string' ? data : '', 'latin1')
  return bytes.subarray(0, TLS_ALERT.length).equals(TLS_ALERT)
}

/** Whether the connection was closed after the request without a byte: so does a TLS server of Node. */
function isCutUnread(error: unknown): boolean {
  if (!isSystemError(error, 'UND_ERR_SOCKET') || !('socket' in error)) return false
  const { bytesRead } = error.socket as { bytesRead?: number }
  return bytesRead === 0
}
