import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { after, before, describe, it } from 'node:test'
import { execa } from 'execa'
import {
  javaScriptRuntimes,
  type JavaScriptRuntimes,
} from '../../scripts/engines/javascript-runtimes.ts'
import { startCoordinator, type Running, type RunningCoordinator } from '../../scripts/processes.ts'
import { CLIPS } from '../agent/fixtures.ts'
import { tempFolder } from '../shared/temp-folder.ts'
import { launch, skip } from '../browser/browser.ts'
import { CONSUMER, writeProject } from '../client/consumer.ts'
import { installClient } from '../client/package.ts'
import { startAgent } from '../conversion-set-up.ts'
import { startWebServer, type Handler, type WebServer } from '../coordinator/web-server.ts'
import { engineFlags } from '../faults/held-programs.ts'

const CLIP = CLIPS.austen.file
const KEY = 'the-key-of-the-coordinator'
const SAID = 'He said what the engine says.'

function served(type: string, body: string | Buffer): Handler {
  return (_, response) => void response.writeHead(200, { 'content-type': type }).end(body)
}

describe('the client of the package, by hand', () => {
  const folder = tempFolder()
  let runtimes: JavaScriptRuntimes
  let dist = ''
  let coordinator: RunningCoordinator
  let agent: Running
  let pages: WebServer
  const stops: (() => void)[] = []

  before(async () => {
    runtimes = await javaScriptRuntimes({ signal: new AbortController().signal })
    dist = await installClient(folder)
    pages = await startWebServer({ after: (stop) => void stops.push(stop as () => void) })
    pages.files.set('/', served('text/html', '<title>A page</title>'))
    const script = (file: string): Handler => served('text/javascript', readFileSync(file))
    pages.files.set('/client.js', script(path.join(dist, 'client.js')))
    pages.files.set('/page.mjs', script(path.join(import.meta.dirname, 'client/page.mjs')))
    coordinator = await startCoordinator(path.join(folder, 'data'), folder, {
      args: ['--allow-origin', pages.url],
      env: { MORAG_API_KEY: KEY },
    })
    const key = path.join(folder, 'key')
    writeFileSync(key, KEY)
    const engine = await engineFlags(folder, 'one', { says: SAID })
    agent = startAgent(coordinator.url, folder, 'one', '--api-key-file', key, ...engine)
  })
  after(async () => {
    agent.signal('SIGKILL')
    coordinator.signal('SIGKILL')
    for (const stop of stops) stop()
    await Promise.all([agent.ended, coordinator.ended])
  })

  for (const [name, command] of [
    ['Node', (): string[] => [process.execPath]],
    ['Bun', (): string[] => [runtimes.bun]],
    ['Deno', (): string[] => [runtimes.deno, 'run', '--allow-all']],
  ] as const) {
    it(`${name}: every source, progress, text as it comes, errors`, async () => {
      const [program = '', ...flags] = command()
      const file = path.join(import.meta.dirname, 'client/program.mjs')
      const args = [...flags, file, path.join(dist, 'client.js'), coordinator.url, CLIP]
      const env = { HOME: folder, DENO_NO_UPDATE_CHECK: '1', MORAG_API_KEY: KEY }
      const { stdout } = await execa(program, args, { env })
      const size = readFileSync(CLIP).length
      const { srt, ...found } = JSON.parse(stdout) as { srt: string }
      assert.deepEqual(found, {
        path: ['austen.wav', size, SAID],
        bytes: ['recording', size, SAID],
        file: ['a "clip".wav', size, SAID],
        'web stream': ['recording', size, SAID],
        'node stream': ['recording', size, SAID],
        states: 'completed',
        stream: SAID,
        aborted: 'enough',
        cancelled: 'cancelled',
        error: [true, 'not_found', 404],
      })
      assert.match(srt, /^1\n00:00:00,\d{3} --> [^]*He said/)
    })
  }

  it(
    'Chromium, in a page of another origin: a file, a stream, text as it comes, errors',
    { skip },
    async (t) => {
      const browser = await launch()
      t.after(async () => await browser.close())
      const tab = await browser.newPage()
      await tab.goto(pages.url)
      const bytes = [...readFileSync(CLIP)]
      const given = { client: '/client.js', url: coordinator.url, apiKey: KEY, bytes }
      const run = `import('/page.mjs').then(({ use }) => use(${JSON.stringify(given)}))`
      assert.deepEqual(await tab.evaluate(run), {
        file: ['clip.wav', bytes.length, SAID],
        stream: ['recording', bytes.length, SAID],
        text: SAID,
        path: ['usage', 0],
        error: ['not_found', 404],
      })
    },
  )

  it('TypeScript 5 compiles a strict project of it', async () => {
    for (const [name, options] of [
      ['nodenext', { module: 'nodenext', types: [] }],
      ['bundler', { module: 'esnext', moduleResolution: 'bundler', types: [] }],
    ] as const) {
      const project = writeProject(path.join(folder, name), CONSUMER, {
        target: 'es2022',
        ...options,
      })
      const { all } = await execa(runtimes.tsc, ['-p', project], { reject: false, all: true })
      assert.equal(all, '')
    }
  })

  it('Bun bundles it for a browser', async () => {
    const entry = path.join(folder, 'entry.mjs')
    writeFileSync(
      entry,
      `import { MoragClient } from 'morag-remote-conversion/client'\nconsole.log(MoragClient)`,
    )
    const { stdout } = await execa(runtimes.bun, ['build', '--target', 'browser', entry])
    assert.match(stdout, /MoragClient = class/)
  })
})
