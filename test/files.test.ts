import assert from 'node:assert/strict'
import { copyFile, mkdir, mkdtemp, readFile, stat } from 'node:fs/promises'
import path from 'node:path'
import { after, before, describe, it } from 'node:test'
import { execa } from 'execa'
import { modelsDir } from '../agent/paths.ts'
import {
  programCode,
  startCoordinator,
  type Running,
  type RunningCoordinator,
} from '../scripts/processes.ts'
import { CLIPS } from './agent/fixtures.ts'
import { startAgent } from './conversion-set-up.ts'
import { engineFlags } from './faults/held-programs.ts'
import { tempFolder } from './shared/temp-folder.ts'

describe('folders and many files, by the command line', { timeout: 240_000 }, () => {
  const folder = tempFolder()
  let coordinator: RunningCoordinator
  let agent: Running
  let engine: string[]

  before(async () => {
    coordinator = await startCoordinator(path.join(folder, 'data'), folder)
    engine = await engineFlags(folder, 'quick', { says: CLIPS.jfk.text })
    agent = startAgent(coordinator.url, folder, 'many', ...engine)
  })
  after(async () => {
    for (const program of [agent, coordinator]) program.signal('SIGKILL')
    await Promise.all([agent.ended, coordinator.ended])
  })

  const run = (args: string[]) =>
    execa(process.execPath, [...programCode('agent'), ...args], {
      env: { PATH: process.env['PATH'] ?? '', HOME: folder, MORAG_MODELS_DIR: modelsDir() },
      extendEnv: false,
      reject: false,
      stdin: 'ignore',
    })
  const recordings = async (...names: string[]): Promise<string> => {
    const dir = await mkdtemp(path.join(folder, 'in-'))
    for (const name of names) await put(dir, name)
    return dir
  }
  const put = async (dir: string, name: string): Promise<void> => {
    const file = path.join(dir, name)
    await mkdir(path.dirname(file), { recursive: true })
    await copyFile(name.startsWith('bad') ? import.meta.filename : CLIPS.jfk.file, file)
  }
  /** Waits until a file has content, which a program writes that runs until it is stopped. */
  const there = async (file: string, by: ReturnType<typeof run>): Promise<string> => {
    let ended: unknown = null
    void by.then((result) => (ended = result.stderr))
    while (!((await stat(file).catch(() => null))?.size ?? 0)) {
      assert.equal(ended, null)
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
    return await readFile(file, 'utf8')
  }

  it('are transcribed here: a line for each, a summary, and exit code 1 for one that fails', async () => {
    const dir = await recordings('a.wav', 'sub/b.wav', 'bad.mp3')
    const out = path.join(dir, 'out')
    const args = ['transcribe', dir, '--recursive', '--output-dir', out, '--format', 'srt,md']
    const first = await run([...args, ...engine])
    assert.equal(first.exitCode, 1, first.stderr)
    assert.match(first.stderr, /3 files: 2 done, 0 skipped, 1 failed/)
    assert.match(first.stderr, /bad\.mp3: .*(text|cannot be read|neither)/)
    assert.match(await readFile(path.join(out, 'sub', 'b.srt'), 'utf8'), /^1\n00:00:0.*ask not/s)
    const again = await run([...args, ...engine, '--skip-existing', '--json'])
    const lines = again.stdout.split('\n').map((line) => JSON.parse(line) as { status: string })
    assert.deepEqual(lines.map(({ status }) => status).toSorted(), ['failed', 'skipped', 'skipped'])
  })

  it('are transcribed by a coordinator, each into its own file', async () => {
    const dir = await recordings('a.wav', 'b.wav')
    const out = path.join(dir, 'out')
    const args = ['submit', dir, '--url', coordinator.url]
    const { exitCode, stderr } = await run([...args, '--wait', '--output-dir', out])
    assert.equal(exitCode, 0, stderr)
    for (const name of ['a.md', 'b.md'])
      assert.match(await readFile(path.join(out, name), 'utf8'), /ask not/)
    const ids = await run(args)
    assert.match(ids.stdout, /^[\w-]+\t.*a\.wav\n[\w-]+\t.*b\.wav$/)
    for (const flags of [['--output-dir', out], ['--wait']]) {
      const wrong = await run([...args, ...flags])
      assert.equal(wrong.exitCode, 2)
      assert.match(wrong.stderr, /needs? --(wait|output-dir)/)
    }
  })

  it('are watched: what comes is transcribed once, also when the watch is killed in between', async () => {
    const dir = await recordings('a.wav')
    const args = ['watch', dir, '--settle', '1s', '--format', 'txt', '--url', coordinator.url]
    const jobs = async (): Promise<number> => {
      const answer = await fetch(`${coordinator.url}/api/v1/remote-jobs`)
      return ((await answer.json()) as { jobs: unknown[] }).jobs.length
    }
    const before = await jobs()
    const first = run(args)
    assert.match(await there(path.join(dir, 'a.txt'), first), /ask not/)
    first.kill('SIGKILL')
    await first
    await put(dir, 'b.wav')
    const second = run(args)
    await there(path.join(dir, 'b.txt'), second)
    await put(dir, 'c.wav')
    await there(path.join(dir, 'c.txt'), second)
    second.kill('SIGTERM')
    const { stderr, exitCode } = await second
    assert.equal(exitCode, 0, stderr)
    assert.match(stderr, /watching [\s\S]*b\.wav: done in/)
    assert.equal((await jobs()) - before, 3)
  })
})
