import { createPrivateKey, X509Certificate } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import type { Server } from 'node:https'
import { createSecureContext } from 'node:tls'
import type { Logger } from 'pino'
import { AppError, messageOf } from '../../shared/errors.ts'
import { startTimer } from '../../shared/timers.ts'

/** A certificate with its chain, and its key, in PEM. */
export interface CertificateFiles {
  readonly certFile: string
  readonly keyFile: string
}

interface Certificate {
  cert: Buffer
  key: Buffer
}

/**
 * @throws {AppError} `usage` naming a file that cannot be read, is invalid, or does not match.
 */
export async function readCertificate({
  certFile,
  keyFile,
}: CertificateFiles): Promise<Certificate> {
  const [cert, key] = [await read('--tls-cert', certFile), await read('--tls-key', keyFile)]
  const parsed = asUsage(
    `${certFile} is no certificate in PEM (--tls-cert)`,
    () => new X509Certificate(cert),
  )
  const unfit = `${keyFile} is no private key in PEM without a passphrase (--tls-key)`
  const isItsKey = parsed.checkPrivateKey(asUsage(unfit, () => createPrivateKey(key)))
  if (!isItsKey) {
    const message = `The key ${keyFile} is not that of the certificate ${certFile}: name the two that belong together.`
    throw new AppError('usage', message)
  }
  asUsage(`${certFile} and ${keyFile} cannot be used (--tls-cert, --tls-key)`, () =>
    createSecureContext({ cert, key }),
  )
  return { cert, key }
}

/**
 * Reloads a renewed certificate. An invalid pair, as between the writes of both files, changes nothing and is read again.
 * @returns a function that stops it.
 */
export function followCertificate(
  server: Server,
  files: CertificateFiles,
  current: Certificate,
  { everyMs, log }: { everyMs: number; log: Logger },
): () => void {
  let [used, complained] = [current, '']
  let timer: NodeJS.Timeout
  let stopped = false
  const look = async (): Promise<void> => {
    try {
      const found = await readCertificate(files)
      if (!stopped && !(found.cert.equals(used.cert) && found.key.equals(used.key))) {
        server.setSecureContext(found)
        used = found
        const until = new X509Certificate(found.cert).validTo
        log.info({ file: files.certFile, until }, 'loaded a renewed certificate')
      }
      complained = ''
    } catch (error) {
      const message = messageOf(error)
      if (message !== complained) log.warn(`keeping the current certificate: ${message}`)
      complained = message
    }
    if (!stopped) arm()
  }
  const arm = (): void => {
    timer = startTimer(() => void look(), everyMs).unref()
  }
  arm()
  return () => {
    stopped = true
    clearTimeout(timer)
  }
}

async function read(flag: string, file: string): Promise<Buffer> {
  try {
    return await readFile(file)
  } catch (error) {
    const message = `Cannot read ${file} (${messageOf(error)}): name a file that this user may read with ${flag}.`
    throw new AppError('usage', message, { cause: error })
  }
}

function asUsage<T>(what: string, attempt: () => T): T {
  try {
    return attempt()
  } catch (error) {
    throw new AppError('usage', `${what}: ${messageOf(error)}.`, { cause: error })
  }
}
