import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdirSync, writeFileSync } from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import path from 'node:path'
import { describe, test } from 'node:test'
import { run, startCoordinator } from '../../scripts/processes.ts'
import { VERSION } from '../../shared/version.ts'
import { tempFolder } from '../shared/temp-folder.ts'

/** What `serve` says and how it ends when it cannot start. */
async function refused(
  args: string[],
  env: Record<string, string> = {},
): Promise<{ exitCode: number | undefined; lines: readonly string[] }> {
  const { ended, lines } = run('coordinator', args, { env })
  const { exitCode } = await ended
  return { exitCode, lines }
}

describe(
  'morag-coordinator serve refuses with exit code 2 and one sentence',
  { concurrency: 2 },
  () => {
    const folder = tempFolder()
    const file = path.join(folder, 'file')
    writeFileSync(file, '')
    mkdirSync(path.join(folder, 'odd'), { mode: 0o700 })
    writeFileSync(path.join(folder, 'odd', 'sources'), '')
    const usual = ['serve', '--port', '0', '--data-dir', path.join(folder, 'data')]

    for (const [what, args, said] of [
      [
        'an address beyond this machine without a key',
        [...usual, '--host', '0.0.0.0'],
        /0\.0\.0\.0.*MORAG_API_KEY/,
      ],
      [
        'a data folder that is a file',
        ['serve', '--port', '0', '--data-dir', file],
        /file cannot be used.*--data-dir/,
      ],
      [
        'a data folder below a file',
        ['serve', '--port', '0', '--data-dir', path.join(file, 'x')],
        /cannot be used.*--data-dir/,
      ],
      [
        'a data folder with a file in place of its folder',
        ['serve', '--port', '0', '--data-dir', path.join(folder, 'odd')],
        /cannot be used.*sources.*--data-dir/,
      ],
      [
        'a media root that is not there',
        [...usual, '--media-root', path.join(folder, 'no')],
        /media root .*\/no is not a folder/,
      ],
      ['an unknown flag', [...usual, '--colour', 'blue'], /unknown option '--colour'/],
      ['a flag without its value', ['serve', '--port'], /'--port <number>' argument missing/],
      [
        'a value that cannot be',
        [...usual, '--lease', 'soon'],
        /--lease.*'soon' is not a duration/,
      ],
      ['an argument too many', [...usual, 'now'], /too many arguments/],
      ['an unknown command', ['server'], /unknown command 'server'/],
    ] as const) {
      test(`for ${what}`, async () => {
        const { exitCode, lines } = await refused([...args])
        assert.equal(exitCode, 2, lines.join('\n'))
        assert.match(lines[0] ?? '', said)
        assert.ok(lines.filter((line) => line !== '').length <= 2, lines.join('\n'))
        assert.doesNotMatch(lines.join('\n'), /^\s+at /m)
      })
    }

    test('for a port that another has, and lets go of the folder', async (t) => {
      const other = createServer().listen(0, '127.0.0.1')
      await once(other, 'listening')
      t.after(() => other.close())
      const { port } = other.address() as AddressInfo
      const data = path.join(folder, 'taken')
      const args = ['serve', '--data-dir', data, '--port', String(port)]
      const { exitCode, lines } = await refused(args)
      assert.equal(exitCode, 2)
      assert.equal(lines.length, 1)
      assert.ok(lines[0]!.includes(`127.0.0.1:${port}`) && lines[0]!.includes('--port'), lines[0])
      const next = await startCoordinator(data, folder)
      next.signal('SIGTERM')
      assert.equal((await next.ended).exitCode, 0)
    })

    test('for a folder that another coordinator has', async () => {
      const data = path.join(folder, 'shared')
      const first = await startCoordinator(data, folder)
      const { exitCode, lines } = await refused(['serve', '--port', '0', '--data-dir', data])
      assert.equal(exitCode, 2)
      assert.match(lines[0] ?? '', /Another coordinator is running on/)
      first.signal('SIGTERM')
      assert.equal((await first.ended).exitCode, 0)
    })
  },
)

test('--help shows every setting with its variable', async () => {
  const { exitCode, lines } = await refused(['serve', '--help'])
  assert.equal(exitCode, 0)
  const help = lines.join(' ').replace(/\s+/g, ' ')
  for (const [flag, variable] of [
    ['--host', 'MORAG_HOST'],
    ['--port', 'MORAG_PORT'],
    ['--data-dir', 'MORAG_REMOTE_JOBS_DATA_DIR'],
    ['--media-root', 'MORAG_MEDIA_ROOTS'],
    ['--max-upload', 'MORAG_MAX_UPLOAD'],
    ['--max-retries', 'MORAG_MAX_RETRIES'],
    ['--lease', 'MORAG_LEASE'],
    ['--stall', 'MORAG_STALL'],
    ['--timeout', 'MORAG_TIMEOUTS'],
    ['--timeout-factor', 'MORAG_TIMEOUT_FACTOR'],
    ['--queue-limit', 'MORAG_QUEUE_LIMIT'],
    ['--keep-completed', 'MORAG_KEEP_COMPLETED'],
    ['--keep-failed', 'MORAG_KEEP_FAILED'],
    ['--log-level', 'MORAG_LOG_LEVEL'],
    ['--log-format', 'MORAG_LOG_FORMAT'],
  ])
    assert.match(help, new RegExp(`${flag} <.*env: ${variable}\\b`))
  assert.match(help, /MORAG_API_KEY +the key/)
})

test('--version says the version', async () => {
  const { exitCode, lines } = await refused(['--version'])
  assert.deepEqual([exitCode, lines], [0, [VERSION]])
})

test('without a command it shows how it is used, with exit code 2', async () => {
  const { exitCode, lines } = await refused([])
  assert.equal(exitCode, 2)
  assert.match(lines.join('\n'), /Usage: morag-coordinator/)
})

test('variables alone are enough, and empty ones do not count', async () => {
  const folder = tempFolder()
  const running = run('coordinator', ['serve'], {
    env: {
      MORAG_PORT: '0',
      MORAG_REMOTE_JOBS_DATA_DIR: path.join(folder, 'data'),
      MORAG_MEDIA_ROOTS: folder,
      MORAG_LEASE: '',
      MORAG_API_KEY: ' ',
      MORAG_LOG_FORMAT: 'text',
    },
  })
  const line = await running.line((text) => text.includes('listening on'))
  assert.match(line, /^\S+Z info +listening on http:\/\/127\.0\.0\.1:\d+ url=/)
  running.signal('SIGINT')
  assert.equal((await running.ended).exitCode, 0)
})

test('SIGTERM while a call waits for work answers it, and the process ends in a moment with 0', async () => {
  const folder = tempFolder()
  const running = await startCoordinator(path.join(folder, 'data'), folder)
  const { url, ended, lines } = running
  const waiting = fetch(`${url}/api/v1/remote-jobs/claim`, {
    method: 'POST',
    body: JSON.stringify({ worker_id: 'w', content_types: ['a'], claim_id: 'c', wait_seconds: 60 }),
  })
  for (let waits = 0; waits === 0;) {
    const health = (await (await fetch(`${url}/health`)).json()) as { waiting_claims: number }
    waits = health.waiting_claims
  }
  const at = performance.now()
  running.signal('SIGTERM')
  const answer = await waiting
  assert.equal(answer.status, 200)
  assert.deepEqual(await answer.json(), { jobs: [], retry_after_seconds: 5 })
  assert.deepEqual(await ended, { exitCode: 0, signal: undefined })
  assert.ok(performance.now() - at < 3_000, `${performance.now() - at} ms`)
  assert.match(lines.at(-1) ?? '', /"stopped"/)
})
