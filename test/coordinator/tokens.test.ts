import assert from 'node:assert/strict'
import { mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { describe, test } from 'node:test'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { listed, tokenTable } from '../../coordinator/commands/token.ts'
import { Throttle } from '../../coordinator/access/throttle.ts'
import { formatTokens, parseTokens } from '../../coordinator/access/token-record.ts'
import { isToken } from '../../coordinator/access/token-text.ts'
import { TokenUse } from '../../coordinator/access/token-use.ts'
import { TokensFile } from '../../coordinator/access/tokens-file.ts'
import { Tokens } from '../../coordinator/access/tokens.ts'
import { tokensIn } from './running.ts'
import { DAY, HOUR, MINUTE } from '../../shared/duration.ts'
import { AppError } from '../../shared/errors.ts'
import { tempFolder } from '../shared/temp-folder.ts'
import { NOON } from './example-jobs.ts'

const SUBMIT = { role: 'submit', name: 'web', types: null, lifeMs: null } as const

function setUp() {
  const dir = tempFolder()
  const clock = { now: NOON }
  const open = (): Tokens => tokensIn(dir, () => clock.now)
  return { dir, clock, open, tokens: open(), file: path.join(dir, 'tokens.json') }
}

function coded(code: string): (error: unknown) => true {
  return (error) => {
    assert.ok(error instanceof AppError, String(error))
    assert.equal(error.code, code, error.message)
    return true
  }
}

describe('a token', () => {
  test('is 256 bits of chance in a form that secret scanners find', async () => {
    const { tokens } = setUp()
    const { token } = await tokens.create(SUBMIT)
    assert.match(token, /^morag_[A-Za-z0-9_-]{43}$/)
    assert.ok(isToken(token) && !isToken(`${token}x`) && !isToken('morag_'))
  })

  test('opens for its holder, and for nothing else', async () => {
    const { tokens } = setUp()
    const { token, record } = await tokens.create({
      role: 'worker',
      name: 'gpu-01',
      types: ['audio'],
      lifeMs: null,
    })
    const { id: tokenId, quota } = record
    const holder = { role: 'worker', tokenId, name: 'gpu-01', types: ['audio'], quota }
    assert.deepEqual(tokens.holderOf(token), { ...holder, sha256: record.sha256 })
    for (const other of [`${token}x`, token.slice(0, -1), token.toUpperCase(), '', record.sha256])
      assert.equal(tokens.holderOf(other), null)
  })

  test('is found among ten thousand as fast as alone', async () => {
    const { tokens, file } = setUp()
    const { token, record } = await tokens.create(SUBMIT)
    const timeOf = (): number => {
      const { user } = process.cpuUsage()
      for (let n = 0; n < 500; n += 1) assert.equal(tokens.holderOf(token)?.tokenId, record.id)
      return process.cpuUsage().user - user
    }
    timeOf()
    const alone = timeOf()
    const others = Array.from({ length: 10_000 }, (_, n) => {
      const digits = n.toString(16)
      const id = `t_${digits.padStart(16, '0')}`
      return { ...record, id, name: id, sha256: digits.padStart(64, '0') }
    })
    writeFileSync(file, formatTokens([record, ...others]))
    // The file is looked at once in a turn.
    await nextTurn()
    assert.equal(tokens.nameOf(others[9_999]!.id), others[9_999]!.name)
    const among = timeOf()
    // Compared with each, it took 1.2 ms.
    assert.ok(among < 10 * alone + 50_000, `${among} µs, alone ${alone} µs`)
  })

  test('keeps what a newer version wrote of it', async () => {
    const { tokens, file } = setUp()
    const { record } = await tokens.create(SUBMIT)
    const newer = { ...record, laterFact: 7, quota: { ...record.quota, laterQuota: 8 } }
    writeFileSync(file, formatTokens([newer]))
    await nextTurn()
    await tokens.revoke(record.id)
    const [written] = parseTokens(readFileSync(file, 'utf8'))
    const { quota, laterFact } = written as typeof newer
    assert.deepEqual([laterFact, quota.laterQuota], [7, 8])
    assert.notEqual(written!.revokedAt, null)
  })

  test('is nowhere in the file, which its owner alone may read', async () => {
    const { tokens, file } = setUp()
    const made = [
      await tokens.create({ ...SUBMIT, lifeMs: DAY }),
      await tokens.create({ ...SUBMIT, name: 'other' }),
      await tokens.rotate('web', HOUR),
    ]
    const kept = readFileSync(file, 'utf8')
    const list = listed(tokens.all(), new Map(), NOON)
    const shown = JSON.stringify(list) + tokenTable(list)
    for (const { token, record } of made) {
      const secret = token.slice('morag_'.length)
      assert.ok(!kept.includes(secret) && !shown.includes(secret))
      assert.ok(!shown.includes(record.sha256))
    }
    assert.equal(statSync(file).mode & 0o777, 0o600)
  })

  test('is good until it expires', async () => {
    const { clock, tokens } = setUp()
    const { token } = await tokens.create({ ...SUBMIT, lifeMs: DAY })
    clock.now = NOON + DAY - 1
    assert.notEqual(tokens.holderOf(token), null)
    clock.now = NOON + DAY
    assert.equal(tokens.holderOf(token), null)
  })

  test('that is revoked is good no more, here and in every other process, and stays in the list', async () => {
    const { tokens, open } = setUp()
    const other = open()
    const { token, record } = await tokens.create(SUBMIT)
    const holder = other.holderOf(token)!
    assert.equal(other.isGood(holder), true)
    await tokens.revoke('web')
    assert.equal(other.holderOf(token), null)
    assert.equal(other.isGood(holder), false)
    assert.equal(other.all().length, 1)
    await assert.rejects(tokens.rotate('web', 0), coded('conflict'))
    assert.equal((await tokens.create(SUBMIT)).record.name, 'web')
    await tokens.revoke(record.id)
    assert.deepEqual(
      tokens.all().map(({ revokedAt }) => revokedAt !== null),
      [true, false],
    )
  })

  test('that is rotated keeps its id and name, and its old text for as long as that was asked', async () => {
    const { clock, tokens } = setUp()
    const old = await tokens.create({ ...SUBMIT, lifeMs: DAY })
    clock.now += 2 * HOUR
    const next = await tokens.rotate('web', HOUR)
    assert.equal(next.record.id, old.record.id)
    // What was to expire is good for as long again.
    assert.equal(next.record.expiresAt, clock.now + DAY)
    assert.equal(tokens.holderOf(old.token)?.tokenId, old.record.id)
    assert.equal(tokens.holderOf(next.token)?.tokenId, old.record.id)
    clock.now += HOUR
    assert.equal(tokens.holderOf(old.token), null)
    const last = await tokens.rotate(old.record.id, 0)
    assert.equal(tokens.holderOf(next.token), null)
    assert.notEqual(tokens.holderOf(last.token), null)
  })

  for (const name of [
    '',
    'api-key',
    'morag_x',
    't_1',
    ' x',
    'a\nb',
    'a\u001b[31m',
    'x'.repeat(101),
  ])
    test(`cannot be named ${JSON.stringify(name.slice(0, 12))}`, async () => {
      await assert.rejects(setUp().tokens.create({ ...SUBMIT, name }), coded('usage'))
    })

  test('has its name for itself as long as it is in use, and types only for a worker', async () => {
    const { clock, tokens } = setUp()
    await tokens.create({ ...SUBMIT, lifeMs: HOUR })
    clock.now += DAY
    await assert.rejects(tokens.create({ ...SUBMIT, role: 'read' }), coded('conflict'))
    const typed = { ...SUBMIT, name: 'x', types: ['audio'] }
    await assert.rejects(tokens.create(typed), coded('usage'))
    await assert.rejects(tokens.revoke('nobody'), coded('not_found'))
  })
})

describe('the file of tokens', () => {
  test('loses nothing of what several change at the same time', async () => {
    const { open } = setUp()
    const made = await Promise.all(
      [open(), open(), open()].flatMap((tokens, at) =>
        Array.from({ length: 5 }, async (_, n) =>
          tokens.create({ ...SUBMIT, name: `token-${at}-${n}` }),
        ),
      ),
    )
    const tokens = open()
    assert.equal(tokens.all().length, 15)
    for (const { token } of made) assert.notEqual(tokens.holderOf(token), null)
  })

  test('that is damaged lets no client in, and is not replaced', async () => {
    const { file, tokens } = setUp()
    const { token } = await tokens.create(SUBMIT)
    for (const text of ['', '{', '{"tokens": [{}]}', '[]']) {
      writeFileSync(file, text)
      assert.throws(() => tokens.holderOf(token), coded('unavailable'))
      await assert.rejects(tokens.create({ ...SUBMIT, name: 'x' }), coded('unavailable'))
      assert.equal(readFileSync(file, 'utf8'), text)
    }
  })

  test('that cannot be written makes no token', async () => {
    const { file, tokens } = setUp()
    mkdirSync(file)
    await assert.rejects(tokens.create(SUBMIT))
    assert.throws(() => tokens.all(), coded('unavailable'))
  })
})

test('when tokens were last used is written down once it stops, and read by the next', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const dir = tempFolder()
  const failures: unknown[] = []
  const use = new TokenUse(new TokensFile(dir), (error) => failures.push(error))
  use.note('t_1', NOON)
  use.note('t_1', NOON + 1)
  assert.equal((await new TokensFile(dir).uses()).size, 0)
  await use.close()
  assert.deepEqual([...(await new TokensFile(dir).uses())], [['t_1', NOON + 1]])
  const next = new TokenUse(new TokensFile(dir), (error) => failures.push(error))
  next.note('t_2', NOON + 2)
  // A minute on it is written by itself.
  t.mock.timers.tick(MINUTE)
  await next.close()
  assert.equal((await new TokensFile(dir).uses()).get('t_1'), NOON + 1)
  assert.equal((await new TokensFile(dir).uses()).get('t_2'), NOON + 2)
  assert.deepEqual(failures, [])
  assert.equal(statSync(path.join(dir, 'token-use.json')).mode & 0o777, 0o600)
  writeFileSync(path.join(dir, 'token-use.json'), 'odd')
  assert.equal((await new TokensFile(dir).uses()).size, 0)
})

describe('an address that shows wrong tokens', () => {
  const clock = { now: NOON }
  const throttle = (): Throttle => {
    clock.now = NOON
    return new Throttle(() => clock.now)
  }
  const fail = (one: Throttle, address: string, times: number): void => {
    for (let n = 0; n < times; n += 1) one.failed(address)
  }

  test('waits from the tenth on, until its minute is over', () => {
    const one = throttle()
    fail(one, '192.0.2.1', 9)
    assert.equal(one.waitMs('192.0.2.1'), 0)
    clock.now += 10_000
    assert.equal(one.failed('192.0.2.1'), true)
    assert.equal(one.waitMs('192.0.2.1'), 50_000)
    assert.equal(one.waitMs('192.0.2.2'), 0)
    clock.now += 50_000
    assert.equal(one.waitMs('192.0.2.1'), 0)
    assert.equal(one.failed('192.0.2.1'), false)
  })

  test('is one with its network of 64 bits, and with its IPv4 address in an IPv6 one', () => {
    const one = throttle()
    fail(one, '2001:db8:1:2::1', 10)
    assert.ok(one.waitMs('2001:db8:1:2:ffff::9') > 0)
    assert.equal(one.waitMs('2001:db8:1:3::1'), 0)
    fail(one, '::ffff:192.0.2.1', 10)
    assert.ok(one.waitMs('192.0.2.1') > 0)
    assert.equal(one.waitMs('::ffff:192.0.2.2'), 0)
  })

  test('is forgotten when ten thousand others come, which is all that is remembered', () => {
    const one = throttle()
    fail(one, '192.0.2.1', 10)
    for (let n = 0; n < 9_999; n += 1) one.failed(`10.0.${n >> 8}.${n & 255}`)
    assert.ok(one.waitMs('192.0.2.1') > 0)
    one.failed('198.51.100.1')
    assert.equal(one.waitMs('192.0.2.1'), 0)
  })

  test('waits no longer when the clock is set back', () => {
    const one = throttle()
    fail(one, '192.0.2.1', 10)
    clock.now -= DAY
    assert.equal(one.waitMs('192.0.2.1'), 0)
  })
})
