import assert from 'node:assert/strict'
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { describe, test } from 'node:test'
import { Command, CommanderError } from 'commander'
import { execa } from 'execa'
import { tokensIn } from './running.ts'
import { addTokenCommands, listed, tokenTable } from '../../coordinator/commands/token.ts'
import { programCode, startCoordinator } from '../../scripts/processes.ts'
import { DAY } from '../../shared/duration.ts'
import { AppError } from '../../shared/errors.ts'
import { tempFolder } from '../shared/temp-folder.ts'

interface Shown {
  name: string
  state: string
  types: string[] | null
  last_used_at: string | null
  [key: string]: unknown
}

function byName(a: { name: string }, b: { name: string }): number {
  return a.name < b.name ? -1 : 1
}

/** `morag-coordinator token …` over one data folder. */
function tokensOf(dataDir: string) {
  const run = async (...args: string[]) =>
    await execa(process.execPath, [...programCode('coordinator'), 'token', ...args], {
      env: { MORAG_REMOTE_JOBS_DATA_DIR: dataDir },
      reject: false,
    })
  const list = async (): Promise<Shown[]> =>
    JSON.parse((await run('list', '--json')).stdout) as Shown[]
  return { run, list }
}

test('tokens made, rotated, revoked and expired beside a running coordinator hold from its next request on', async () => {
  const dataDir = path.join(tempFolder(), 'data')
  const { run, list } = tokensOf(dataDir)
  const running = await startCoordinator(dataDir, tempFolder())
  const status = async (token: string): Promise<number> => {
    const headers = { authorization: `Bearer ${token}` }
    return (await fetch(`${running.url}/api/v1/remote-jobs`, { headers })).status
  }
  assert.ok(running.lines.length > 0)
  await running.line((line) => line.includes('authentication is off'))

  // Two at the same time: neither is lost.
  const [web, gpu] = await Promise.all([
    run('create', '--role', 'read', '--name', 'web', '--expires', '90d'),
    run('create', '--role', 'worker', '--name', 'gpu-01', '--types', 'audio,video'),
  ])
  assert.deepEqual([web.exitCode, gpu.exitCode], [0, 0], web.stderr + gpu.stderr)
  // All that `> file` takes.
  assert.match(web.stdout, /^morag_[\w-]{43}$/)
  assert.match(web.stderr, /web \(read, until .*not shown again/)
  assert.ok(!web.stderr.includes(web.stdout))
  assert.equal(await status(web.stdout), 200)
  assert.equal(await status(gpu.stdout), 403)
  assert.equal(await status('wrong'), 401)

  const next = await run('rotate', 'web', '--keep-old', '1h')
  assert.deepEqual([await status(web.stdout), await status(next.stdout)], [200, 200])
  await run('revoke', 'gpu-01')
  assert.equal(await status(gpu.stdout), 401)

  const file = path.join(dataDir, 'tokens.json')
  const kept = readFileSync(file, 'utf8')
  const ended = new Date(Date.now() - DAY).toISOString()
  writeFileSync(file, kept.replace(/"expires_at": "[^"]*"/, `"expires_at": "${ended}"`))
  assert.equal(await status(next.stdout), 401)
  writeFileSync(file, kept)
  assert.equal(await status(next.stdout), 200)

  running.signal('SIGTERM')
  assert.equal((await running.ended).exitCode, 0)
  const shown = await list()
  assert.deepEqual(shown.map(({ name, state, types }) => ({ name, state, types })).sort(byName), [
    { name: 'gpu-01', state: 'revoked', types: ['audio', 'video'] },
    { name: 'web', state: 'active', types: null },
  ])
  assert.ok(shown.every((one) => typeof one.last_used_at === 'string'))
  const secrets = [web, gpu, next].map(({ stdout }) => stdout.slice('morag_'.length))
  const files = readdirSync(dataDir, { recursive: true, encoding: 'utf8' })
    .map((name) => path.join(dataDir, name))
    .filter((name) => statSync(name).isFile())
    .map((name) => readFileSync(name, 'latin1'))
  const said = [...files, ...running.lines, JSON.stringify(shown)].join('\n')
  for (const secret of secrets) assert.ok(!said.includes(secret))
})

test('a token alone lets a coordinator listen beyond this machine, without a warning', async () => {
  const dataDir = path.join(tempFolder(), 'data')
  const tokens = tokensIn(dataDir)
  const { token } = await tokens.create({ role: 'admin', name: 'me', types: null, lifeMs: null })
  const running = await startCoordinator(dataDir, tempFolder(), { args: ['--host', '0.0.0.0'] })
  const url = `http://127.0.0.1:${new URL(running.url).port}/api/v1/workers`
  assert.equal((await fetch(url)).status, 401)
  assert.equal((await fetch(url, { headers: { 'x-api-key': token } })).status, 200)
  running.signal('SIGTERM')
  assert.equal((await running.ended).exitCode, 0)
  assert.ok(!running.lines.join('\n').includes('authentication is off'))
})

describe('morag-coordinator token', () => {
  const dataDir = path.join(tempFolder(), 'data')

  /** The command in this process; what it says of usage instead of doing something. */
  async function said(...args: string[]): Promise<string> {
    const written: string[] = []
    const write = (text: string): void => void written.push(text)
    const cli = new Command().exitOverride().configureOutput({ writeOut: write, writeErr: write })
    addTokenCommands(cli)
    try {
      await cli.parseAsync(['token', ...args], { from: 'user' })
    } catch (error) {
      if (!(error instanceof AppError || error instanceof CommanderError)) throw error
      written.push(error.message)
    }
    return written.join('')
  }

  for (const [what, args, sentence] of [
    [
      'a role that is none',
      ['create', '--role', 'boss', '--name', 'x'],
      /Allowed choices are submit/,
    ],
    ['no role', ['create', '--name', 'x'], /'--role <role>' not specified/],
    ['no name', ['create', '--role', 'read'], /'--name <name>' not specified/],
    [
      'a life that is none',
      ['create', '--role', 'read', '--name', 'x', '--expires', 'soon'],
      /'soon'/,
    ],
    [
      'types for a reader',
      ['create', '--role', 'read', '--name', 'x', '--types', 'a'],
      /Only a worker/,
    ],
    ['a token that is not there', ['revoke', 'nobody'], /no such token/],
    ['a quota of nothing', ['quota', 'nobody'], /Give --max-jobs or/],
    ['a quota of no jobs', ['quota', 'nobody', '--max-jobs', '0'], /whole number from 1/],
    [
      'a quota of no hours',
      ['quota', 'nobody', '--max-media-hours-per-day', '0'],
      /'0' is not a number of hours above 0/,
    ],
    [
      'a quota for a worker',
      ['create', '--role', 'worker', '--name', 'x', '--max-jobs', '2'],
      /Only a token for submit or admin can have a quota, not one for worker/,
    ],
  ] as const) {
    test(`refuses ${what}`, async () => {
      assert.match(await said(...args, '--data-dir', dataDir), sentence)
      assert.equal(tokensIn(dataDir).all().length, 0)
    })
  }

  test('sets, changes and lifts a quota', async () => {
    const folder = path.join(tempFolder(), 'data')
    const tokens = tokensIn(folder)
    const wish = { role: 'submit', name: 'site', types: null, lifeMs: null } as const
    await tokens.create({ ...wish, quota: { maxJobs: 3 } })
    const hours = ['--max-media-hours-per-day', '1.5']
    const { stdout } = await tokensOf(folder).run('quota', 'site', '--max-jobs', 'none', ...hours)
    assert.equal(stdout, 'The quota of site: 1.5 h/day.')
    await tokens.setQuota('site', { maxJobs: 20 })
    const shown = tokenTable(listed(tokens.all(), new Map(), Date.now()))
    assert.match(shown, /^site +submit +- +20 jobs, 1\.5 h\/day +active /m)
  })

  test('shows examples with its help', async () => {
    for (const args of [['--help'], ['create', '--help']])
      assert.match(await said(...args), /Examples:\n +morag-coordinator token create --role worker/)
  })
})
