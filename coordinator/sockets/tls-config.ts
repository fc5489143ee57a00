import path from 'node:path'
import type { Command } from 'commander'
import { AppError } from '../../shared/errors.ts'
import { setting } from '../../shared/settings.ts'
import type { CertificateFiles } from './tls.ts'

export interface TlsFlags {
  tlsCert?: string
  tlsKey?: string
}

export function addTlsSettings(command: Command): void {
  command
    .addOption(
      setting(
        '--tls-cert <file>',
        'certificate to serve HTTPS with, and its chain, in PEM; needs --tls-key',
        'MORAG_TLS_CERT',
      ),
    )
    .addOption(
      setting('--tls-key <file>', 'the certificate’s private key, in PEM', 'MORAG_TLS_KEY'),
    )
}

/** @throws {AppError} `usage` for the one file without the other. */
export function tlsConfig({ tlsCert, tlsKey }: TlsFlags): CertificateFiles | null {
  if (tlsCert === undefined && tlsKey === undefined) return null
  if (tlsCert !== undefined && tlsKey !== undefined) {
    return { certFile: path.resolve(tlsCert), keyFile: path.resolve(tlsKey) }
  }
  const [given, missing] =
    tlsKey === undefined ? ['--tls-cert', '--tls-key'] : ['--tls-key', '--tls-cert']
  throw new AppError('usage', `${given} is of no use without ${missing}: name both files, or none.`)
}
