import assert from 'node:assert/strict'
import { chmodSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'
import { LeaseTokens } from '../../coordinator/leases/lease-tokens.ts'
import { FileSecrets } from '../../coordinator/storage/secrets.ts'
import { tempFolder } from '../shared/temp-folder.ts'
import { pendingJob } from './example-jobs.ts'

test('a token stands for the attempt it was issued for, every time the same', async () => {
  const tokens = await LeaseTokens.load(new FileSecrets(tempFolder()))
  const job = pendingJob()
  for (const attempt of [1, 2, 10, 999_999_999]) {
    const token = tokens.issue('lease', job, attempt)
    assert.equal(tokens.issue('lease', job, attempt), token)
    assert.equal(tokens.read('lease', job, token), attempt)
  }
})

test('a token is good for one purpose, one job and one attempt', async () => {
  const tokens = await LeaseTokens.load(new FileSecrets(tempFolder()))
  const [job, other] = [pendingJob(), pendingJob()]
  const token = tokens.issue('lease', job, 1)
  assert.equal(tokens.read('download', job, token), null)
  assert.equal(tokens.read('lease', other, token), null)
  assert.equal(tokens.read('lease', job, token.replace('1.', '2.')), null)
  assert.equal(tokens.read('lease', job, token.replace('1.', '01.')), null)
})

test('a token dies with its job: one that takes the id later is another', async () => {
  const tokens = await LeaseTokens.load(new FileSecrets(tempFolder()))
  const job = pendingJob()
  const token = tokens.issue('lease', job, 1)
  assert.equal(tokens.read('lease', job, token), 1)
  assert.equal(tokens.read('lease', { ...job, createdAt: job.createdAt + 1 }, token), null)
})

test('what is no token of ours stands for nothing', async () => {
  const tokens = await LeaseTokens.load(new FileSecrets(tempFolder()))
  const job = pendingJob()
  const token = tokens.issue('lease', job, 1)
  const changed = token.slice(0, 5) + (token[5] === 'A' ? 'B' : 'A') + token.slice(6)
  for (const text of [
    '',
    '.',
    '1.',
    token.slice(2),
    token.slice(0, -1),
    `${token}A`,
    ` ${token}`,
    `${token}\n`,
    changed,
    `1.${'A'.repeat(43)}`,
    `1.${'é'.repeat(43)}`,
    `${'9'.repeat(400)}.${token.slice(2)}`,
    `-${token}`,
  ])
    assert.equal(tokens.read('lease', job, text), null, JSON.stringify(text))
})

test('a data folder keeps its secret, for its owner alone to read; another folder has another', async () => {
  const [one, two] = [tempFolder(), tempFolder()]
  const job = pendingJob()
  const token = (await LeaseTokens.load(new FileSecrets(one))).issue('lease', job, 3)
  assert.equal((await LeaseTokens.load(new FileSecrets(one))).read('lease', job, token), 3)
  assert.equal((await LeaseTokens.load(new FileSecrets(two))).read('lease', job, token), null)
  const file = path.join(one, 'secret')
  assert.equal(statSync(file).mode & 0o777, 0o600)
  assert.equal(readFileSync(file).length, 32)
})

test('a secret that a crash cut short is made anew, still for its owner alone to read', async () => {
  const folder = tempFolder()
  const file = path.join(folder, 'secret')
  const job = pendingJob()
  for (const left of ['', 'half of it']) {
    writeFileSync(file, left)
    chmodSync(file, 0o644)
    const token = (await LeaseTokens.load(new FileSecrets(folder))).issue('lease', job, 1)
    assert.equal((await LeaseTokens.load(new FileSecrets(folder))).read('lease', job, token), 1)
    assert.equal(statSync(file).mode & 0o777, 0o600)
  }
})
