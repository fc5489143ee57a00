import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { describe, it } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { execa } from 'execa'
import { family } from '../../scripts/process-tree.ts'
import { programCode, run } from '../../scripts/processes.ts'
import { clientOf, json, startServer } from './fake-server.ts'
import { CLIPS, ffmpeg } from './fixtures.ts'
import { tempFolder } from '../shared/temp-folder.ts'
import { LOADER, moduleUrl } from '../../scripts/node-script.ts'

const KEY = `morag_${'k'.repeat(43)}`
const folder = tempFolder()
const isLinux = process.platform === 'linux'
// oxlint-disable-next-line no-control-regex
const UNPRINTABLE = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e]/

describe('a coordinator that is not to be trusted', () => {
  it('gets no key sent on to another: the host that it names is never asked', async (t) => {
    const other = await startServer(t, (_, response) => json(response, 200, { jobs: [] }))
    for (const status of [301, 302, 303, 307, 308]) {
      const server = await startServer(t, ({ url }, response) =>
        response.writeHead(status, { location: `${other.url}${url}` }).end(),
      )
      const client = clientOf(t, server.url, { apiKey: KEY, retries: 0 })
      const claim = { workerId: 'w', contentTypes: ['audio'], claimId: 'c' }
      const wanted = { ...claim, maxJobs: 1, waitSeconds: 0, prefetch: null }
      for (const asked of [client.health(), client.claim(wanted), client.register({ name: 'n' })])
        await assert.rejects(asked, /redirects to .*which is not followed/)
      assert.equal(server.seen.length, 3)
      assert.ok(server.seen.every(({ headers }) => headers.authorization === `Bearer ${KEY}`))
    }
    assert.deepEqual(other.seen, [])
  })

  it('moves no cursor of the terminal that its transcript goes to; a file has it as it came', async () => {
    const text = '# Talk\n\n\t[0] Hello\u001b[2J\u001b]52;c;ZXZpbA==\u0007 you\u202e.\n'
    const print = async (isTTY: boolean): Promise<string> => {
      const module = moduleUrl(new URL('../../agent/output.ts', import.meta.url))
      const program = `
        process.stdout.isTTY = ${isTTY}
        const { print } = await import('${module}')
        await print(${JSON.stringify(text)})`
      const args = [...LOADER, '--input-type=module', '--eval', program]
      return (await execa(process.execPath, args, { stripFinalNewline: false })).stdout
    }
    const [shown, piped] = await Promise.all([print(true), print(false)])
    assert.equal(piped, text)
    assert.doesNotMatch(shown, UNPRINTABLE)
    assert.equal(shown.split('\n').length, text.split('\n').length)
  })

  it('is not given a key in the open without a word', async () => {
    // The file is not there: nothing is sent.
    const submit = ['submit', '/nowhere.mp3', '--url', 'http://8.8.8.8:8000']
    const args = [...programCode('agent'), ...submit]
    const env = { PATH: process.env['PATH'] ?? '', HOME: folder, MORAG_API_KEY: KEY }
    const { stderr, exitCode } = await execa(process.execPath, args, {
      env,
      extendEnv: false,
      reject: false,
    })
    assert.match(stderr, /^warn: The key for http:\/\/8\.8\.8\.8:8000 is sent over plain http/)
    assert.match(stderr, /use https\.\n/)
    assert.ok(exitCode === 2 && !stderr.includes(KEY), stderr)
  })
})

describe('the keys of an agent', { skip: isLinux ? false : 'There is no /proc.' }, () => {
  it('are in the arguments of no process and in the environment of no child, the engine included', async (t) => {
    const secrets = [KEY, 'hf_of-the-environment', 'key-of-an-engine']
    const [MORAG_API_KEY, HF_TOKEN, OPENAI_API_KEY] = secrets as [string, string, string]
    const talk = await ffmpeg`-i ${CLIPS.jfk.file} -c:a libmp3lame ${path.join(folder, 'talk.mp3')}`
    const agent = run('agent', ['transcribe', talk, '--log-level', 'debug'], {
      env: { MORAG_API_KEY, HF_TOKEN, OPENAI_API_KEY },
    })
    t.after(() => agent.signal('SIGKILL'))
    let isOver = false
    void agent.ended.then(() => (isOver = true))
    const seen = new Set<string>()
    while (!isOver) {
      for (const pid of family(agent.pid)) {
        const [args, environment] = [read(pid, 'cmdline'), read(pid, 'environ')]
        assert.ok(!secrets.some((secret) => args.includes(secret)), args)
        // The agent itself, a copy of it that is about to become a program, and what runs TypeScript in a checkout.
        if (args === read(agent.pid, 'cmdline') || args.includes('esbuild')) continue
        assert.ok(!secrets.some((secret) => environment.includes(secret)), args)
        if (environment !== '') seen.add(args)
      }
      await turn()
    }
    assert.equal((await agent.ended).exitCode, 0, agent.lines.join('\n'))
    assert.ok(
      [...seen].some((args) => args.includes('sherpa/child')),
      [...seen].join('\n'),
    )
    assert.ok(!secrets.some((secret) => agent.lines.join('\n').includes(secret)))
  })
})

/** What Linux tells of a process; nothing when it is gone. */
function read(pid: number, what: 'cmdline' | 'environ'): string {
  try {
    return readFileSync(`/proc/${pid}/${what}`, 'utf8')
  } catch {
    return ''
  }
}
