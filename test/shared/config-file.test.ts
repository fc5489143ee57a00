import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { execa } from 'execa'
import { CONFIGURED } from '../../agent/settings/config.ts'
import { problemsOf } from '../../shared/config.ts'
import { AppError } from '../../shared/errors.ts'
import { tempFolder } from './temp-folder.ts'
import { programCode } from '../../scripts/processes.ts'

const folder = tempFolder()
const ROOT = fileURLToPath(new URL('../..', import.meta.url))

/** A program as its user runs it, with nothing in its environment but this. */
async function run(program: 'agent' | 'coordinator', args: string[], env = {}) {
  return await execa(process.execPath, [...programCode(program), ...args], {
    env: { PATH: process.env['PATH'] ?? '', HOME: folder, ...env },
    extendEnv: false,
    reject: false,
    stdin: 'ignore',
  })
}

/** What is wrong, in whichever way it is said. */
function told(look: () => string[]): string[] {
  try {
    return look()
  } catch (error) {
    assert.ok(error instanceof AppError && error.code === 'usage')
    return [error.message]
  }
}

let files = 0
function file(text: string): string {
  files += 1
  const name = path.join(folder, `${files}.toml`)
  writeFileSync(name, text)
  return name
}

interface Shown {
  file: string | null
  settings: { setting: string; value: string | null; from: string }[]
}

async function shown(program: 'agent' | 'coordinator', args: string[], env = {}) {
  const { stdout, stderr } = await run(program, ['config', 'show', '--json', ...args], env)
  assert.equal(stderr, '')
  const { settings } = JSON.parse(stdout) as Shown
  return (name: string) => {
    const found = settings.find(({ setting }) => setting === name)
    return [found?.value, found?.from]
  }
}

describe('a settings file', () => {
  it('is beaten by variables, and they by flags, and wins over defaults', async () => {
    const toml = file(
      '[agent]\nslots = 3\nprefetch = 4\nmax_jobs = 5\ntypes = ["audio", "document"]\ndiarize = true\n',
    )
    const of = await shown('agent', ['--config', toml, '--slots', '7'], { MORAG_PREFETCH: '6' })
    assert.deepEqual(of('slots'), ['7', 'flag --slots'])
    assert.deepEqual(of('prefetch'), ['6', 'variable MORAG_PREFETCH'])
    assert.deepEqual(of('max-jobs'), ['5', `file ${toml}`])
    assert.deepEqual(of('types'), ['audio,document', `file ${toml}`])
    assert.deepEqual(of('diarize'), ['true', `file ${toml}`])
    assert.deepEqual(of('poll-interval'), ['30', 'default'])
  })

  it('leaves defaults, which are shown with what they come to on this machine', async () => {
    const of = await shown('agent', [])
    assert.deepEqual(of('work-dir'), [path.join(folder, '.local/state/morag/work'), 'default'])
    assert.deepEqual(of('models-dir'), [path.join(folder, '.cache/morag/models'), 'default'])
    assert.deepEqual(of('model'), ['the best on this machine', 'default'])
    assert.deepEqual(of('diarize'), ['false', 'default'])
    assert.deepEqual(of('max-jobs'), [null, 'not set'])
    assert.deepEqual(of('MORAG_API_KEY'), [null, 'not set'])
    const its = await shown('coordinator', [], { TMPDIR: folder })
    assert.deepEqual(its('media-root'), [folder, 'default'])
    assert.deepEqual(its('timeout'), ['audio=60m,video=60m,document=15m', 'default'])
    assert.deepEqual(its('morag-url'), [null, 'not set'])
  })

  it('sets what the program then does', async () => {
    const toml = file('[agent]\nurl = "http://127.0.0.1:1"\n')
    const submit = ['submit', path.join(ROOT, 'package.json'), '--config', toml]
    const { stderr } = await run('agent', submit)
    assert.match(stderr, /Cannot reach the coordinator at http:\/\/127\.0\.0\.1:1:/)
  })

  it('is found in the user’s configuration folder, and named by a variable', async () => {
    const toml = file('[agent]\nslots = 2\n')
    const of = await shown('agent', [], { MORAG_CONFIG: toml })
    assert.deepEqual(of('slots'), ['2', `file ${toml}`])
    const written = await run('agent', ['config', 'init'])
    assert.equal(written.stdout, path.join(folder, '.config', 'morag', 'morag.toml'))
    writeFileSync(
      written.stdout,
      readFileSync(written.stdout, 'utf8').replace('# slots =', 'slots ='),
    )
    assert.deepEqual((await shown('agent', []))('slots'), ['1', `file ${written.stdout}`])
    const again = await run('agent', ['config', 'init'])
    assert.equal(again.exitCode, 2)
    assert.match(again.stderr, /There is a file .*morag\.toml already: .*--force/)
  })

  for (const [text, said] of [
    ['[agent]\nenigne = "x"', /there is no setting 'enigne': did you mean 'engine'\?$/],
    ['[agent]\napi-key = "x"', /'api-key' is not a setting: put secrets into files/],
    ['[agent]\nslots = 0', /slots: '0' is not a whole number from 1 to 64\.$/],
    ['[agent]\nengine = "x"', /engine: Allowed choices are auto/],
    ['[agent]\ndiarize = "yes"', /diarize must be true or false\.$/],
    ['slots = 1', /'slots' is in no table: settings go below \[agent\] or \[coordinator\]\.$/],
    ['agent = 1', /'agent' must be a table: write \[agent\]\.$/],
    ['[agent]\nslots = ', /line 2, column \d+: /],
  ] as const) {
    it(`that says ${JSON.stringify(text)} is refused with its path and a sentence`, () => {
      const toml = file(text)
      const problems = told(() => problemsOf(toml, CONFIGURED))
      assert.equal(problems.length, 1)
      assert.ok(problems[0]!.startsWith(toml), problems[0])
      assert.match(problems[0]!, said)
    })
  }

  it('that is wrong keeps a program from starting', async () => {
    const toml = file('[agent]\nenigne = "x"\n')
    const { stderr, exitCode } = await run('agent', ['start', '--config', toml])
    assert.deepEqual(
      [exitCode, stderr],
      [2, `${toml}: there is no setting 'enigne': did you mean 'engine'?`],
    )
  })

  it('has all that is wrong with it printed by config check, a line each', async () => {
    const toml = file('[agent]\nslot = 1\nthreads = "many"\n[coordinator]\nprot = 1\n')
    const { stderr } = await run('agent', ['config', 'check', toml])
    assert.equal(stderr.split('\n').length, 2)
    assert.match(stderr, /'slot'.*'slots'\?\n.*threads: 'many'/)
  })

  it('that is not there is refused', async () => {
    const { stderr, exitCode } = await run('agent', ['start', '--config', '/nowhere.toml'])
    assert.equal(exitCode, 2)
    assert.match(stderr, /^The settings file \/nowhere\.toml cannot be read \(--config/)
  })

  it('never shows a secret', async () => {
    const env = { MORAG_API_KEY: 'sesame-open', HF_TOKEN: 'sesame-too' }
    const { stdout } = await run('agent', ['config', 'show'], env)
    assert.doesNotMatch(stdout, /sesame/)
    assert.match(stdout, /^MORAG_API_KEY +\(set, not shown\)/m)
    const proxy = { MORAG_WEBHOOK_PROXY: 'http://me:hush@proxy.example:3128' }
    const its = await shown('coordinator', [], proxy)
    const bare = await shown('coordinator', [], {
      MORAG_WEBHOOK_PROXY: 'me:hush@proxy.example:3128',
    })
    assert.equal(bare('webhook-proxy')[0], '…@proxy.example:3128')
    const from = 'variable MORAG_WEBHOOK_PROXY'
    assert.deepEqual(its('webhook-proxy'), ['http://…@proxy.example:3128', from])
  })
})

describe("the coordinator's settings file", () => {
  it('takes lists, tables and texts', async () => {
    const toml = file(
      '[coordinator]\nport = 0\nmedia-root = ["/srv/a", "/srv/b"]\ntimeout = { audio = "90m", video = "2h" }\nlocal_processor = { document = "cat {input}" }\n',
    )
    const of = await shown('coordinator', ['--config', toml])
    assert.deepEqual(of('media-root'), ['/srv/a,/srv/b', `file ${toml}`])
    assert.deepEqual(of('timeout'), ['audio=90m,video=2h', `file ${toml}`])
    assert.deepEqual(of('keep-completed'), ['7d', 'default'])
    assert.deepEqual(of('local-processor'), ['document=cat {input}', `file ${toml}`])
  })
})
