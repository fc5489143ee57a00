import assert from 'node:assert/strict'
import { chmod, mkdir, symlink, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { describe, it } from 'node:test'
import { findTools, type ToolSearch, type Tools } from '../../agent/media/find-ffmpeg.ts'
import { hardLimits } from '../../agent/media/child-limits.ts'
import { ageProblem, toolsText } from '../../agent/media/tools-text.ts'
import type { AppError } from '../../shared/errors.ts'
import { testTools } from './fixtures.ts'
import { tempFolder } from '../shared/temp-folder.ts'

const folder = tempFolder()
const known = await testTools()
const { signal } = new AbortController()
const FETCHED = path.dirname(known.ffmpeg)

/** Runs `work` with another PATH. */
async function withPath<T>(value: string, work: () => Promise<T>): Promise<T> {
  const saved = process.env['PATH']
  process.env['PATH'] = value
  try {
    return await work()
  } finally {
    process.env['PATH'] = saved
  }
}

function search(over: Partial<ToolSearch> = {}): Promise<Tools> {
  return findTools({ explicit: null, fetched: () => Promise.resolve(FETCHED), signal, ...over })
}

/** Programs that answer as those of a version and a year do; in a folder of their own. */
async function replay(name: string, version: string, year: number): Promise<string> {
  const bin = path.join(folder, name)
  await mkdir(bin)
  for (const program of ['ffmpeg', 'ffprobe']) {
    const line = `${program} version ${version} Copyright (c) 2000-${year} the FFmpeg developers`
    await writeFile(path.join(bin, program), `#!/bin/sh\necho '${line}'\n`)
    await chmod(path.join(bin, program), 0o755)
  }
  return bin
}

describe('findTools', () => {
  it('fetches a current one when PATH has none', async () => {
    const tools = await withPath('/nowhere', () => search())
    assert.deepEqual(tools, { ...known, origin: 'fetched' })
    assert.ok(tools.year !== null && tools.year >= 2026)
  })

  it('prefers PATH, whatever its age, and fetches a missing ffprobe', async () => {
    const bin = await replay('only-ffmpeg', '4.4.2-0ubuntu0.22.04.1', 2021)
    await writeFile(path.join(bin, 'ffprobe'), '')
    await chmod(path.join(bin, 'ffprobe'), 0o644)
    const tools = await withPath(bin, () => search())
    assert.deepEqual(tools, {
      ffmpeg: 'ffmpeg',
      ffprobe: known.ffprobe,
      version: '4.4.2-0ubuntu0.22.04.1',
      year: 2021,
      origin: 'path',
    })
  })

  it('fetches nothing when PATH has both', async () => {
    const bin = await replay('both-on-path', '7.1.1', 2025)
    const fetched = (): Promise<string> => assert.fail('it was fetched')
    assert.equal((await withPath(bin, () => search({ fetched }))).version, '7.1.1')
  })

  it('goes on when the program on PATH does not work', async () => {
    const bin = path.join(folder, 'broken')
    await mkdir(bin)
    await writeFile(path.join(bin, 'ffmpeg'), '#!/bin/sh\nexit 127\n', { mode: 0o755 })
    assert.equal((await withPath(bin, () => search())).origin, 'fetched')
  })

  it('takes the program a setting names, and ffprobe beside it', async () => {
    const bin = path.join(folder, 'both')
    await mkdir(bin)
    await symlink(known.ffmpeg, path.join(bin, 'ffmpeg'))
    await symlink(known.ffprobe, path.join(bin, 'ffprobe'))
    assert.deepEqual(await search({ explicit: path.join(bin, 'ffmpeg') }), {
      ...known,
      ffmpeg: path.join(bin, 'ffmpeg'),
      ffprobe: path.join(bin, 'ffprobe'),
      origin: 'setting',
    })
  })

  it('refuses a setting that names nothing, and says what helps', async () => {
    await assert.rejects(search({ explicit: '/no/ffmpeg' }), (error: AppError) => {
      assert.equal(error.code, 'engine_missing')
      assert.match(error.message, /\/no\/ffmpeg/)
      assert.match(error.message, /--ffmpeg.*MORAG_FFMPEG.*morag-agent models pull ffmpeg/)
      return true
    })
  })

  it('says why none can be fetched, and what helps', async () => {
    const fetched = (): Promise<string> => Promise.reject(new Error('pypi.example is away.'))
    await assert.rejects(
      withPath('/nowhere', () => search({ fetched })),
      (error: AppError) => {
        assert.equal(error.code, 'engine_missing')
        assert.match(error.message, /^No working ffmpeg: .*pypi\.example is away\. .*apt-get/)
        return true
      },
    )
  })

  it('ends with the signal that interrupts a download', async () => {
    const abort = new AbortController()
    const fetched = (): Promise<string> => {
      abort.abort(new Error('enough'))
      return Promise.reject(abort.signal.reason as Error)
    }
    const asked = withPath('/nowhere', () => search({ fetched, signal: abort.signal }))
    await assert.rejects(asked, { message: 'enough' })
  })

  it('refuses a program that is not ffmpeg', async () => {
    await assert.rejects(
      search({ explicit: process.execPath }),
      (error: AppError) => error.code === 'engine_missing',
    )
  })
})

describe('the age of the tools', () => {
  it('is that of the older one', async () => {
    const old = await replay('old', '4.1', 2018)
    const mixed = path.join(folder, 'mixed')
    await mkdir(mixed)
    await symlink(known.ffmpeg, path.join(mixed, 'ffmpeg'))
    await symlink(path.join(old, 'ffprobe'), path.join(mixed, 'ffprobe'))
    assert.equal((await search({ explicit: path.join(mixed, 'ffmpeg') })).year, 2018)
  })

  it('is a problem from the fourth year on, with a fix', () => {
    const tools = { ffmpeg: 'ffmpeg', ffprobe: 'ffprobe', version: '5.1', origin: 'path' } as const
    assert.equal(ageProblem({ ...tools, year: 2023 }, 2026), null)
    assert.equal(ageProblem({ ...tools, year: null }, 2026), null)
    const problem = ageProblem({ ...tools, year: 2022 }, 2026)
    assert.match(problem?.text ?? '', /^ffmpeg 5\.1 or its ffprobe is of 2022 \(from PATH\)/)
    assert.match(problem?.fix ?? '', /models pull ffmpeg.*--ffmpeg/)
    assert.doesNotMatch(ageProblem({ ...tools, origin: 'npm', year: 2018 }, 2026)!.fix, /pull/)
  })

  it('is printed in one line, with the sandbox', () => {
    const tools = { ...known, version: '8.1', year: 2026, origin: 'fetched' } as const
    const locked = (...unshare: string[]): string =>
      toolsText({ ...tools, sandbox: { program: '/usr/bin/bwrap', unshare } })
    const start = 'ffmpeg 8.1, of 2026, fetched from PyPI,'
    assert.equal(locked('--unshare-all'), `${start} in a sandbox (bubblewrap)`)
    assert.equal(
      locked('--unshare-user', '--unshare-net'),
      `${start} in a sandbox (bubblewrap, without namespaces for processes, which this host does not allow)`,
    )
  })

  it('is printed with what remains where there is no sandbox', () => {
    const tools = { ...known, version: '8.1', year: null, origin: 'fetched' } as const
    const free = { ...tools, sandbox: null, unlocked: 'it is not here' }
    const start = 'ffmpeg 8.1, its year unknown, fetched from PyPI, without a sandbox,'
    const limiter = { program: '/usr/bin/prlimit', ours: hardLimits('') }
    assert.equal(
      toolsText(free, limiter),
      `${start} within limits of time and memory alone (prlimit): it is not here`,
    )
    assert.equal(toolsText(free, null), `${start} without any limits: it is not here`)
  })
})
