import { isSystemError } from './errors.ts'

/** An alert of TLS as it begins on the wire: a content type and the version's first byte (RFC 8446, 5.1 and 6). */
const TLS_ALERT = Buffer.from([0x15, 0x03])

/**
 * What to do where a connection failed because one side speaks TLS and the other does not, as a sentence; null where
 * it failed for another reason.
 * @param url what was asked.
 */
export function schemeHint(error: unknown, url: string): string | null {
  const { protocol, host } = new URL(url)
  if (protocol === 'https:') {
    return isPlainAnswer(error) ? `It does not speak TLS: write http://${host}.` : null
  }
  if (isTlsAnswer(error)) return `It speaks TLS: write https://${host}.`
  return isCutUnread(error) ? `Where it speaks TLS, write https://${host}.` : null
}

/** Whether what answered a TLS greeting was no TLS. */
export function isPlainAnswer(error: unknown): boolean {
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

/** Whether the connection was closed, after our request and without a byte of an answer: so does Node with TLS. */
function isCutUnread(error: unknown): boolean {
  if (!isSystemError(error, 'UND_ERR_SOCKET') || !('socket' in error)) return false
  const { bytesRead } = error.socket as { bytesRead?: number }
  return bytesRead === 0
}
