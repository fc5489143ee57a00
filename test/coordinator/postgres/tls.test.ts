import assert from 'node:assert/strict'
import { chmodSync } from 'node:fs'
import path from 'node:path'
import { test, type TestContext } from 'node:test'
import { execa } from 'execa'
import { databaseAddress } from '../../../coordinator/storage/postgres/address.ts'
import { Database } from '../../../coordinator/storage/postgres/database.ts'
import { AppError } from '../../../shared/errors.ts'
import { noPostgres, sharedPostgres } from '../../shared/postgres-server.ts'
import { until } from '../running.ts'

/** Lets the server that the tests share talk TLS, too, with a certificate for 127.0.0.1. @returns its file. */
async function withTls(): Promise<string> {
  const { folder, url } = await sharedPostgres().then((server) => ({
    folder: server.folder,
    url: server.url('postgres'),
  }))
  const [cert, key] = [path.join(folder, 'cert.pem'), path.join(folder, 'cert.key')]
  const subject = ['-subj', '/CN=morag', '-addext', 'subjectAltName=IP:127.0.0.1']
  const made = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', ...subject]
  await execa('openssl', ['req', '-x509', ...made, '-out', cert, '-keyout', key])
  chmodSync(key, 0o600)
  if (process.getuid?.() === 0) await execa('chown', ['postgres', key, cert])
  const admin = new Database({ address: databaseAddress(url), poolSize: 1 })
  for (const setting of [`ssl_cert_file = '${cert}'`, `ssl_key_file = '${key}'`, 'ssl = on'])
    await admin.query({ name: '', text: `ALTER SYSTEM SET ${setting}` })
  await admin.query({ name: '', text: 'SELECT pg_reload_conf()' })
  await admin.close()
  return cert
}

/** Whether a connection is encrypted, or why there is none. */
async function outcomeOf(t: TestContext, address: string): Promise<boolean | string> {
  const database = new Database({ address: databaseAddress(address), poolSize: 1 })
  t.after(async () => await database.close())
  const text = 'SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()'
  try {
    return (await database.one<{ ssl: boolean }>({ name: '', text }))!.ssl
  } catch (error) {
    assert.ok(error instanceof AppError && error.code === 'unavailable')
    return error.message
  }
}

test(
  "the certificate of a database is checked as sslmode says, and its name with 'verify-full'",
  { skip: noPostgres },
  async (t) => {
    const cert = await withTls()
    const server = await sharedPostgres()
    const at = (host: string, query: string): string =>
      `postgres://morag:secret@${host}:${server.port}/postgres?${query}`
    const known = `sslrootcert=${cert}`
    await until(async () => (await outcomeOf(t, at('127.0.0.1', 'sslmode=require'))) === true)
    assert.equal(await outcomeOf(t, at('127.0.0.1', `sslmode=verify-full&${known}`)), true)
    assert.equal(await outcomeOf(t, at('localhost', `sslmode=verify-ca&${known}`)), true)
    assert.equal(await outcomeOf(t, at('127.0.0.1', '')), false)
    const named = await outcomeOf(t, at('localhost', `sslmode=verify-full&${known}`))
    assert.match(String(named), /does not match/)
    const unknown = await outcomeOf(t, at('127.0.0.1', 'sslmode=verify-full'))
    assert.match(String(unknown), /self-signed certificate/)
    assert.ok(![named, unknown].join().includes('secret'))
  },
)
