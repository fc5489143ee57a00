import { once } from 'node:events'
import type { AddressInfo, Server } from 'node:net'
import { AppError, isSystemError } from './errors.ts'

/**
 * Waits until a server listens.
 * @param flags of the address, for the error.
 * @returns host and port, as in a URL.
 * @throws {AppError} `usage` when the address cannot be listened on.
 */
export async function listening(
  server: Server,
  { host, port }: { host: string; port: number },
  flags: string,
): Promise<string> {
  try {
    if (!server.listening) await once(server, 'listening')
  } catch (error) {
    if (!isSystemError(error, 'EADDRINUSE', 'EACCES', 'EADDRNOTAVAIL', 'ENOTFOUND', 'EAI_AGAIN'))
      throw error
    const message = `Cannot listen on ${host}:${port} (${error.code}): choose another ${flags}.`
    throw new AppError('usage', message, { cause: error })
  }
  const { address, port: bound, family } = server.address() as AddressInfo
  return `${family === 'IPv6' ? `[${address}]` : address}:${bound}`
}
