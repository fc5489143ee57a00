import assert from 'node:assert/strict'
import { test } from 'node:test'
import { databaseAddress } from '../../../coordinator/storage/postgres/address.ts'
import { databaseError, failureKind } from '../../../coordinator/storage/postgres/failures.ts'
import { AppError } from '../../../shared/errors.ts'

test("a database's address has hosts, a login and a label without it", () => {
  const { hosts, user, password, database, label, isPrepared } = databaseAddress(
    'postgresql://m%40x:p%3Aw:d@db1,[::1]:6000/jobs?prepare=false',
  )
  assert.deepEqual(hosts, [
    { host: 'db1', port: 5432 },
    { host: '::1', port: 6000 },
  ])
  assert.deepEqual([user, password, database, isPrepared], ['m@x', 'p:w:d', 'jobs', false])
  assert.equal(label, 'db1:5432,::1:6000/jobs')
  const socket = databaseAddress('postgres:///jobs?host=/run/postgresql')
  assert.deepEqual(socket.hosts, [{ host: '/run/postgresql', port: 5432 }])
})

test('a certificate is checked unless the database is on this machine, or sslmode says otherwise', () => {
  const sslOf = (url: string): unknown => databaseAddress(url).ssl
  assert.equal(sslOf('postgres://localhost/a'), false)
  assert.equal(sslOf('postgres://127.0.0.1/a'), false)
  assert.deepEqual(sslOf('postgres://db.example/a'), {})
  assert.deepEqual(sslOf('postgres://localhost,db.example/a'), {})
  assert.equal(sslOf('postgres://db.example/a?sslmode=disable'), false)
  assert.deepEqual(sslOf('postgres://db.example/a?sslmode=require'), { rejectUnauthorized: false })
})

test('an address that is none is refused without its password', () => {
  const wrong = [
    'mysql://u:secret@h/d',
    'postgres://u:secret@h:x/d',
    'postgres://u:secret@h:99999/d',
    'postgres://u:secret@h/d?sslmode=prefer',
    'postgres://u:secret@h/d?sslrootcert=/no/such/file',
    'postgres://u:secret@h/d?pool=5',
    'postgres://u:secret%@h/d',
  ]
  for (const url of wrong)
    assert.throws(
      () => databaseAddress(url),
      (error) =>
        error instanceof AppError && error.code === 'usage' && !error.message.includes('secret'),
      url,
    )
})

test('errors of a database say whether another try can help', () => {
  const coded = (code: string): Error => Object.assign(new Error('as it says'), { code })
  const kinds = ['57P01', '08006', '25006', 'ECONNRESET', '40001', '53100', '57014', '22P02']
  assert.deepEqual(
    kinds.map((code) => failureKind(coded(code))),
    ['gone', 'gone', 'gone', 'gone', 'again', 'full', 'busy', 'fault'],
  )
  const full = databaseError(coded('53100'), 'db/jobs')
  assert.ok(full instanceof AppError && full.code === 'no_space')
  const fault = coded('22P02')
  assert.equal(databaseError(fault, 'db/jobs'), fault)
})
