import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { withoutSecrets } from '../../coordinator/job/task-options.ts'

describe('left out:', () => {
  for (const key of [
    'webhook_url',
    'webhook_config',
    'webhooks',
    'webhookSecret',
    'secret',
    'client_secret',
    'SECRET_KEY',
    'password',
    'neo4j_password',
    'dbPassword',
    'passwd',
    'passphrase',
    'token',
    'auth_token',
    'hf_token',
    'accessToken',
    'refresh-token',
    'tokens',
    'credentials',
    'google_credential',
    'api_key',
    'apiKey',
    'APIKEY',
    'X-Api-Key',
    'qdrant_api_key',
    'access_key',
    'aws_secret_access_key',
    'encryption_key',
    'signing_key',
    'private_key',
    'ssh_private_keys',
    'auth',
    'Authorization',
    'cookie',
    'cookies',
    'database',
    'databases',
    'database_url',
    'databaseUrl',
    'db',
    'db_dsn',
    'sentry_dsn',
    'connection_string',
  ])
    test(key, () => assert.deepEqual(withoutSecrets({ [key]: 'x', kept: 1 }), { kept: 1 }))
})

describe('kept:', () => {
  for (const [key, value] of [
    ['language', 'en'],
    ['model', 'large-v3'],
    ['author', 'Ada'],
    ['authors', ['Ada']],
    ['tokenizer', 'bpe'],
    ['keywords', ['a']],
    ['key_frames', true],
    ['keyboard', 'x'],
    ['secretary', 'Bob'],
    ['dbscan_eps', 0.5],
    ['passage', 'x'],
    ['timeout_seconds', 60],
    ['max_tokens', 448],
    ['max_new_tokens', 128],
    ['suppress_tokens', [-1]],
    ['suppressTokens', [1, 2]],
    ['nothing', null],
  ] as const)
    test(`${key} ${JSON.stringify(value)}`, () =>
      assert.deepEqual(withoutSecrets({ [key]: value }), { [key]: value }))
})

test('secrets are left out at every depth, in lists too, and the rest stays as it is', () => {
  const options = {
    a: { b: [{ token: 'x', c: 1 }, 'text', null, [{ password: 'y', d: false }]] },
    e: 1.5,
  }
  const before = structuredClone(options)
  assert.deepEqual(withoutSecrets(options), {
    a: { b: [{ c: 1 }, 'text', null, [{ d: false }]] },
    e: 1.5,
  })
  assert.deepEqual(options, before)
})

test('tokens that hold text anywhere are secret', () => {
  assert.deepEqual(withoutSecrets({ tokens: [1, 'x'], my_tokens: { a: 'x' } }), {})
})

test('a key that is named like a prototype is a key', () => {
  const options = JSON.parse('{"__proto__": {"a": 1}, "constructor": 2}') as Record<string, unknown>
  const kept = withoutSecrets(options)
  assert.equal(JSON.stringify(kept), '{"__proto__":{"a":1},"constructor":2}')
})
