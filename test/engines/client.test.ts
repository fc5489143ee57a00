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
import { CLIPS, tempFolder } from '../agent/fixtures.ts'
import { launch, skip } from '../browser/browser.ts'
import { CONSUMER, writeProject } from '../client/consumer.ts'
import { installClient } from '../client/package.ts'
import { startAgent } from '../conversion-set-up.ts'
import { engineFlags } from '../faults/held-programs.ts'

const CLIP = CLIPS.austen.file
const SAID = 'He said what the engine says.'

describe('the client of the package, run by hand: in Bun, Deno, Node and Chromium', () => {
  const folder = tempFolder()
  let runtimes: JavaScriptRuntimes
  let dist = ''
  let coordinator: RunningCoordinator
  let agent: Running

  before(async () => {
    runtimes = await javaScriptRuntimes({ signal: new AbortController().signal })
    dist = await installClient(folder)
    coordinator = await startCoordinator(path.join(folder, 'data'), folder)
    const engine = await engineFlags(folder, 'one', { says: SAID })
    agent = startAgent(coordinator.url, folder, 'one', ...engine)
  })
  after(async () => {
    agent.signal('SIGKILL')
    coordinator.signal('SIGKILL')
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
      const env = { HOME: folder, DENO_NO_UPDATE_CHECK: '1' }
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

  it('Chromium: a file, a stream, text as it comes, errors', { skip }, async (t) => {
    const browser = await launch()
    t.after(async () => await browser.close())
    const page = await browser.newPage()
    const files = { 'client.js': dist, 'page.mjs': path.join(import.meta.dirname, 'client') }
    for (const [name, home] of Object.entries(files))
      await page.route(`**/${name}`, async (route) => {
        await route.fulfill({ path: path.join(home, name), contentType: 'text/javascript' })
      })
    await page.goto(`${coordinator.url}/`)
    const bytes = [...readFileSync(CLIP)]
    const given = JSON.stringify({ client: '/client.js', url: coordinator.url, bytes })
    const found = await page.evaluate(`import('/page.mjs').then(({ use }) => use(${given}))`)
    assert.deepEqual(found, {
      file: ['clip.wav', bytes.length, SAID],
      stream: ['recording', bytes.length, SAID],
      text: SAID,
      path: ['usage', 0],
      error: ['not_found', 404],
    })
  })

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
