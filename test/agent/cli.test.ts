import assert from 'node:assert/strict'
import type { ServerResponse } from 'node:http'
import path from 'node:path'
import { describe, it, type TestContext } from 'node:test'
import { execa } from 'execa'
import { VERSION } from '../../shared/version.ts'
import { tempFolder } from '../shared/temp-folder.ts'
import { json, startServer, type Seen } from './fake-server.ts'
import { modelsDir } from '../../agent/paths.ts'
import { CLIPS } from './fixtures.ts'
import { programCode } from '../../scripts/processes.ts'
import { jobStatus } from './job-status.ts'

const folder = tempFolder()
const CLIP = CLIPS.jfk.file

/** The program as a user runs it, with nothing of ours in its environment. */
function agent(args: string[], env: Record<string, string> = {}) {
  return execa(process.execPath, [...programCode('agent'), ...args], {
    env: { PATH: process.env['PATH'] ?? '', HOME: folder, MORAG_MODELS_DIR: modelsDir(), ...env },
    extendEnv: false,
    reject: false,
    stdin: 'ignore',
  })
}

/** A coordinator that takes any upload as job `j1`; `follow` answers each look at it. */
async function coordinatorWith(
  t: TestContext,
  follow: (response: ServerResponse, look: number) => void = () => {},
): Promise<{ url: string; seen: Seen[] }> {
  let looks = 0
  const server = await startServer(t, ({ url, method }, response) => {
    if (method === 'POST') json(response, 200, jobStatus('j1'))
    else if (url.endsWith('/status')) follow(response, (looks += 1))
    else response.end(`${path.extname(url)} of j1\n`)
  })
  return { url: server.url, seen: server.seen }
}

describe('the command line', () => {
  it('says its version', async () => {
    const { stdout, exitCode } = await agent(['--version'])
    assert.deepEqual([stdout, exitCode], [VERSION, 0])
  })

  it('has examples in the help of every command', async () => {
    const commands = ['', 'start', 'test', 'transcribe', 'submit', 'register', 'models']
    const all = [...commands, 'models list', 'models pull', 'models verify']
    const helps = all.map((one) => agent([...one.split(' ').filter(Boolean), '--help']))
    for (const { stdout, exitCode } of await Promise.all(helps)) {
      assert.equal(exitCode, 0)
      assert.match(stdout, /\nExamples:\n {2}morag-agent /)
    }
  })

  for (const [args, said] of [
    [['strat'], /^unknown command 'strat'\n\(Did you mean start\?\)$/],
    [['start', '--slots', 'many'], /--slots .*'many' is not a whole number from 1 to 64\.$/],
    [
      ['transcribe', 'talk.mp3', '--slots', '0'],
      /--slots .*'0' is not a whole number from 1 to 64\.$/,
    ],
    [['start', '--url', 'nonsense'], /^'nonsense' is not a coordinator's URL/],
    [['transcribe'], /^missing required argument 'files'$/],
    [['transcribe', '/nowhere.mp3'], /^File \/nowhere\.mp3 does not exist\.$/m],
    [['submit', '/nowhere.mp3'], /^'\/nowhere\.mp3' is not a file: .*$/],
    [['test', '--test', 'luck'], /Allowed choices are connection, lifecycle/],
  ] as const) {
    it(`ends '${args.join(' ')}' with exit code 2 and a sentence, without a stack`, async () => {
      const { stdout, stderr, exitCode } = await agent([...args])
      assert.deepEqual([stdout, exitCode], ['', 2])
      assert.match(stderr, said)
      assert.doesNotMatch(stderr, /\n\s+at /)
    })
  }

  it('shows where an error comes from with --verbose', async () => {
    const { stderr } = await agent(['submit', '/nowhere.mp3', '--verbose'])
    assert.match(stderr, /\n\s+at /)
  })

  it('is quiet when its output is closed', async () => {
    const child = agent(['models', 'list'])
    child.stdout.destroy()
    const { stderr, exitCode } = await child
    assert.deepEqual([stderr, exitCode], ['', 0])
  })
})

describe('a coordinator', () => {
  it('that does not let us in makes exit code 3, and the key is not shown', async (t) => {
    const server = await startServer(t, (_, response) =>
      json(response, 401, { detail: 'This key is not known.', code: 'unauthorized' }),
    )
    const env = { MORAG_API_KEY: 'sesame-open', MORAG_API_BASE_URL: server.url }
    const { stdout, stderr, exitCode } = await agent(['submit', CLIP], env)
    assert.equal(exitCode, 3)
    assert.match(stderr, /This key is not known\. .*--api-key-file/)
    assert.doesNotMatch(stdout + stderr, /sesame/)
    assert.equal(server.seen[0]?.headers.authorization, 'Bearer sesame-open')
  })

  it('that is not there makes exit code 1, and a sentence with its URL and the fix', async () => {
    const { stderr, exitCode } = await agent(['submit', CLIP, '--url', 'http://127.0.0.1:1'])
    assert.equal(exitCode, 1)
    assert.match(stderr, /^Cannot reach the coordinator at http:\/\/127\.0\.0\.1:1: .* --url/m)
  })
})

describe('submit', () => {
  it('prints the id of the job, and nothing else, on standard output', async (t) => {
    const { url, seen } = await coordinatorWith(t)
    const { stdout, stderr, exitCode } = await agent(['submit', CLIP, '--url', url])
    assert.deepEqual([stdout, exitCode], ['j1', 0])
    assert.match(stderr, /jfk\.wav/)
    assert.match(seen[0]?.body ?? '', /name="content_type"\r\n\r\naudio\r\n/)
  })

  it('says it as JSON with --json, without progress', async (t) => {
    const { url } = await coordinatorWith(t)
    const { stdout, stderr } = await agent(['submit', CLIP, '--url', url, '--json'])
    assert.deepEqual([JSON.parse(stdout), stderr], [{ job_id: 'j1' }, ''])
  })

  it('follows the job with --wait and prints its transcript', async (t) => {
    const { url } = await coordinatorWith(t, (response, look) =>
      json(
        response,
        200,
        look < 2
          ? jobStatus('j1', { status: 'processing', stage: 'transcribing', progress: 0.5 })
          : jobStatus('j1', { status: 'completed' }),
      ),
    )
    const args = ['submit', CLIP, '--url', url, '--wait', '--format', 'srt']
    const { stdout, stderr, exitCode } = await agent(args)
    assert.deepEqual([stdout, exitCode], ['.srt of j1', 0])
    assert.match(stderr, /transcribing 50 %/)
  })

  it('ends with exit code 1 and the reason when the job failed', async (t) => {
    const { url } = await coordinatorWith(t, (response) =>
      json(
        response,
        200,
        jobStatus('j1', { status: 'failed', error_message: 'It is no recording.' }),
      ),
    )
    const { stdout, stderr, exitCode } = await agent(['submit', CLIP, '--url', url, '--wait'])
    assert.deepEqual([stdout, exitCode], ['', 1])
    assert.match(stderr, /Job j1 is failed: It is no recording\.$/)
  })

  it('leaves the job running at Ctrl-C, and says where to look at it', async (t) => {
    const { url } = await coordinatorWith(t, (response) => {
      json(response, 200, jobStatus('j1'))
      child.kill('SIGINT')
    })
    const child = agent(['submit', CLIP, '--url', url, '--wait'])
    const { stderr, exitCode } = await child
    assert.equal(exitCode, 130)
    assert.ok(stderr.includes(`Job j1 continues; see ${url}/api/v1/`), stderr)
  })
})

describe('test', () => {
  interface Report {
    ok: boolean
    checks: { group: string; name: string; status: string; detail: string; duration_ms: number }[]
  }

  for (const group of ['connection', 'lifecycle', 'api', 'limits', 'disk', 'media']) {
    it(`passes ${group} with a coordinator of its own`, async () => {
      const { stdout, exitCode } = await agent(['test', '--test', group, '--json'])
      const { ok, checks } = JSON.parse(stdout) as Report
      const bad = checks.filter((check) => check.status !== 'PASS')
      assert.deepEqual([exitCode, ok, bad], [0, true, []])
      assert.ok(checks.length >= 2)
      assert.ok(checks.every((check) => check.group === group && check.duration_ms >= 0))
    })
  }

  it('ends with exit code 1 when a check fails, and skips what needed it', async () => {
    const args = ['test', '--test', 'connection', '--url', 'http://127.0.0.1:1']
    const { stdout, exitCode } = await agent([...args, '--json'])
    const { ok, checks } = JSON.parse(stdout) as Report
    assert.deepEqual([exitCode, ok], [1, false])
    assert.match(checks[0]?.detail ?? '', /Cannot reach the coordinator at http:\/\/127\.0\.0\.1:1/)
    assert.deepEqual(
      checks.map((check) => check.status),
      ['FAIL', 'SKIP', 'SKIP', 'SKIP', 'SKIP'],
    )
  })
})
