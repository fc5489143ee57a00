import assert from 'node:assert/strict'
import { mkdir, mkdtemp, readdir, readFile, rm, symlink, utimes, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { PassThrough } from 'node:stream'
import { describe, it, type TestContext } from 'node:test'
import { runBatch, type BatchOptions } from '../../agent/files/batch.ts'
import { DoneFiles } from '../../agent/files/done-files.ts'
import { mediaFiles, type Search } from '../../agent/files/media-files.ts'
import { BESIDE, OutputFolder } from '../../agent/files/output-folder.ts'
import { RemoteTranscriber } from '../../agent/files/remote-transcriber.ts'
import { Spool } from '../../agent/files/spool.ts'
import type { Transcriber } from '../../agent/files/transcriber.ts'
import { WatchedFolder } from '../../agent/files/watched-folder.ts'
import { WatchQueue } from '../../agent/files/watch-queue.ts'
import { SILENT } from '../../agent/progress/reporter-kinds.ts'
import { AppError, EXIT } from '../../shared/errors.ts'
import type { Form } from '../../shared/forms.ts'
import { tempFolder } from '../shared/temp-folder.ts'
import { json, startServer } from './fake-server.ts'
import { jobStatus } from './job-status.ts'

const root = tempFolder()

function search(recursive: boolean, warnings: string[] = []): Search {
  return { recursive, warn: (message) => void warnings.push(message) }
}

async function folderWith(...names: string[]): Promise<string> {
  const folder = await mkdtemp(path.join(root, 'files-'))
  for (const name of names) {
    const file = path.join(folder, name)
    await mkdir(path.dirname(file), { recursive: true })
    await writeFile(file, name)
  }
  return folder
}

/** Says the name of a file in each form; a file named `bad…` fails. */
function transcriberOf(change: Partial<Transcriber> = {}): Transcriber & { asked: string[] } {
  const asked: string[] = []
  return {
    asked,
    atOnce: 2,
    async transcribe(file, forms) {
      const name = path.basename(file)
      asked.push(name)
      if (name.startsWith('bad')) throw new AppError('invalid_media', `${name} is broken.`)
      return { texts: forms.map((form) => `${form} of ${name}`), warnings: [] }
    },
    close: async () => undefined,
    ...change,
  }
}

function batchOf(
  place: string,
  forms: readonly Form[],
  change: Partial<BatchOptions> = {},
): BatchOptions & { events: string[] } {
  const events: string[] = []
  return {
    events,
    transcriber: transcriberOf(),
    outputs: new OutputFolder(place, forms),
    reporter: { ...SILENT, event: (_, message) => void events.push(message) },
    signal: new AbortController().signal,
    skipExisting: false,
    json: false,
    ...change,
  }
}

describe('files that are named', () => {
  it('are those, and the recordings in folders, in their order', async () => {
    const folder = await folderWith('b.mp3', 'a.MKV', 'a.srt', '.c.mp3', 'd.mp3.part', 'sub/e.wav')
    const found = async (named: string[], recursive: boolean): Promise<string[]> =>
      (await mediaFiles(named, search(recursive))).map(({ name }) => name)
    assert.deepEqual(await found([folder], false), ['a.MKV', 'b.mp3'])
    assert.deepEqual(await found([folder], true), ['a.MKV', 'b.mp3', path.join('sub', 'e.wav')])
    // What is named is taken, whatever its name, and once.
    const named = ['a.srt', 'b.mp3'].map((name) => path.join(folder, name))
    assert.deepEqual(await found([...named, folder], false), ['a.MKV', 'a.srt', 'b.mp3'])
    await assert.rejects(found([path.join(folder, 'gone.mp3')], false), /gone\.mp3 does not exist/)
    await rm(path.join(folder, 'a.MKV'))
    await rm(path.join(folder, 'b.mp3'))
    await assert.rejects(found([folder], false), /no audio or video in .* Give --recursive/)
  })

  it('are all but those that cannot be read, each left out with a warning', async () => {
    const folder = await folderWith('a.mp3', 'sub/b.mp3')
    await symlink('gone.mp3', path.join(folder, 'lost.mp3'))
    await symlink('gone', path.join(folder, 'lost'))
    // A folder in itself.
    await symlink('..', path.join(folder, 'sub', 'up'))
    const warnings: string[] = []
    const found = await mediaFiles([folder], search(true, warnings))
    assert.deepEqual(
      found.map(({ name }) => name),
      ['a.mp3', path.join('sub', 'b.mp3')],
    )
    assert.equal(warnings.length, 1)
    assert.match(warnings[0]!, /lost\.mp3 is left out, as it cannot be read: ENOENT/)
  })

  it('are refused where two have the same transcript, or one would be overwritten', async () => {
    const folder = await folderWith('a/Talk.mp3', 'b/talk.mp3', 'notes.md')
    const refused = async (names: string[], place: string, expected: RegExp): Promise<void> => {
      const files = await mediaFiles(
        names.map((name) => path.join(folder, name)),
        search(false),
      )
      const check = new OutputFolder(place, ['md']).check(files)
      await assert.rejects(
        check,
        (error) =>
          error instanceof AppError && error.code === 'usage' && expected.test(error.message),
      )
    }
    const out = path.join(folder, 'out')
    await refused(
      ['a', 'b'],
      out,
      /a\/Talk\.mp3 and .*b\/talk\.mp3 would both be written to .*out\/talk\.md/,
    )
    await refused(['notes.md'], BESIDE, /notes\.md would be overwritten/)
    const both = await mediaFiles([folder], search(true))
    await new OutputFolder(out, ['md']).check(both)
  })

  it('have their transcripts in a folder like theirs, or beside them, under names of their own', async () => {
    const folder = await folderWith('a.mp3', 'a.wav', 'sub/b.mp3')
    const outputs = async (place: string): Promise<string[]> => {
      const files = await mediaFiles([folder], search(true))
      const each = files.map((file) => new OutputFolder(place, ['srt', 'chunks']).outputsOf(file))
      return (await Promise.all(each)).flat().map(({ file }) => path.relative(root, file))
    }
    const out = path.join(root, 'out')
    assert.deepEqual(await outputs(out), [
      'out/a.mp3.srt',
      'out/a.mp3.chunks.jsonl',
      'out/a.wav.srt',
      'out/a.wav.chunks.jsonl',
      'out/sub/b.srt',
      'out/sub/b.chunks.jsonl',
    ])
    const beside = await outputs(BESIDE)
    assert.equal(beside.at(-2), path.join(path.basename(folder), 'sub', 'b.srt'))
  })
})

describe('many files', () => {
  it('are transcribed each into its forms; one that fails costs itself and the exit code', async (t) => {
    t.after(() => void (process.exitCode = undefined))
    const folder = await folderWith('a.mp3', 'bad.mp3', 'sub/b.mp3')
    const out = path.join(folder, 'out')
    const batch = batchOf(out, ['srt', 'md'])
    await runBatch(await mediaFiles([folder], search(true)), batch)
    assert.equal(await readFile(path.join(out, 'a.srt'), 'utf8'), 'srt of a.mp3')
    assert.equal(await readFile(path.join(out, 'sub', 'b.md'), 'utf8'), 'md of b.mp3')
    assert.deepEqual(batch.events, ['3 files: 2 done, 0 skipped, 1 failed'])
    assert.equal(process.exitCode, EXIT.failed)
  })

  it('are left out where all their transcripts are there', async () => {
    const folder = await folderWith('a.mp3', 'a.srt', 'b.mp3')
    await writeFile(path.join(folder, 'b.srt'), '')
    const transcriber = transcriberOf()
    const batch = batchOf(BESIDE, ['srt'], { skipExisting: true, transcriber })
    await runBatch(await mediaFiles([folder], search(false)), batch)
    assert.deepEqual(transcriber.asked, ['b.mp3'])
    assert.deepEqual(batch.events, ['2 files: 1 done, 1 skipped, 0 failed'])
  })

  it('end with the reason of the signal', async () => {
    const folder = await folderWith('a.mp3', 'b.mp3', 'c.mp3')
    const stop = new AbortController()
    const reason = new AppError('cancelled', 'Interrupted.')
    const transcriber = transcriberOf({
      atOnce: 1,
      async transcribe() {
        stop.abort(reason)
        throw reason
      },
    })
    const batch = batchOf(BESIDE, ['srt'], { transcriber, signal: stop.signal })
    const run = runBatch(await mediaFiles([folder], search(false)), batch)
    await assert.rejects(run, (error) => error === reason)
  })
})

describe('standard input', () => {
  it('is given up when the command is interrupted, and leaves nothing', async () => {
    const before = process.env['TMPDIR']
    const folder = await folderWith()
    const stop = new AbortController()
    process.env['TMPDIR'] = folder
    const spooled = Spool.of(['-'], stop.signal, new PassThrough())
    if (before === undefined) delete process.env['TMPDIR']
    else process.env['TMPDIR'] = before
    const reason = new AppError('cancelled', 'Interrupted.')
    stop.abort(reason)
    await assert.rejects(spooled, (error) => error === reason)
    assert.deepEqual(await readdir(folder), [])
  })
})

describe('a coordinator', () => {
  /** Jobs by key, as a coordinator has them; the first has failed. */
  const remote = async (t: TestContext, taskOptions: Record<string, unknown> = {}) => {
    const keys: unknown[] = []
    const server = await startServer(t, ({ method, url, headers }, response) => {
      const id =
        method === 'POST'
          ? keys.push(headers['idempotency-key'])
          : Number(/\d+/.exec(url.slice(8))?.[0])
      if (url.endsWith('result.json')) return json(response, 200, { warnings: ['It is quiet.'] })
      if (url.includes('result.')) return void response.end(`text of job ${id}`)
      return json(
        response,
        200,
        jobStatus(String(id), { status: id === 1 ? 'failed' : 'completed' }),
      )
    })
    const settings = { url: server.url, apiKey: null }
    const options = { type: null, taskOptions, reporter: SILENT, versionOf: async () => 'v1' }
    const transcriber = new RemoteTranscriber(settings as never, options)
    t.after(() => transcriber.close())
    return { keys, transcriber }
  }

  it('tries again what has failed as another job, and gives the warnings of its transcript', async (t) => {
    const folder = await folderWith('a.mp3')
    const context = { activity: SILENT.begin('', ''), signal: new AbortController().signal }
    const { keys, transcriber } = await remote(t)
    const file = path.join(folder, 'a.mp3')
    const { texts, warnings } = await transcriber.transcribe(file, ['txt'], context)
    assert.deepEqual([texts, warnings], [['text of job 2'], ['It is quiet.']])
    const other = await remote(t, { language: 'de' })
    await other.transcriber.transcribe(file, ['txt'], context)
    assert.equal(new Set([...keys, ...other.keys]).size, 4)
  })
})

describe('a watched folder', () => {
  const open = async (parent: string): Promise<DoneFiles> => (await DoneFiles.open(parent, 'k'))!

  it('gives its recordings, and no other link', async (t) => {
    const folder = await folderWith('a.mp3', '.real.mp3')
    for (const [to, name] of [
      ['gone', 'b.txt'],
      ['.real.mp3', 'c.mp3'],
    ] as const)
      await symlink(to, path.join(folder, name))
    const names = new Set<string>()
    await new Promise<void>((resolve, reject) => {
      const onFile = ({ name }: { name: string }): void => {
        names.add(name)
        if (names.has('a.mp3') && names.has('c.mp3')) resolve()
      }
      const options = { recursive: false, settleMs: 10, polling: null, onGone: () => {} }
      void WatchedFolder.open(folder, { ...options, onFile, onError: reject }).then((watched) =>
        t.after(() => watched.close()),
      )
    })
    assert.deepEqual([...names].toSorted(), ['a.mp3', 'c.mp3'])
  })

  it('goes on after a file that cannot be read, or fails for now, and tries it after a restart', async (t) => {
    t.mock.timers.enable({ apis: ['setTimeout'] })
    const folder = await folderWith('a.mp3', 'b.mp3', 'c.mp3')
    const files = await mediaFiles([folder], search(false))
    const asked: string[] = []
    const transcriber = transcriberOf({
      async transcribe(file) {
        const name = path.basename(file)
        asked.push(name)
        if (name === 'a.mp3') throw new AppError('usage', 'It does not exist.')
        if (name === 'b.mp3') throw new AppError('no_space', 'The disk is full.')
        return { texts: ['text'], warnings: [] }
      },
    })
    for (const _ of ['a run', 'a restart']) {
      const stop = new AbortController()
      const done = await open(path.join(folder, 'state'))
      const queue = new WatchQueue(
        done,
        batchOf(BESIDE, ['txt'], { transcriber, signal: stop.signal }),
      )
      const ran = queue.run()
      for (const file of files) queue.add(file)
      for (let round = 0; round < 4; round += 1) {
        await queue.idle()
        t.mock.timers.tick(5 * 60_000)
      }
      stop.abort()
      await ran
      await done.close()
    }
    const times = (name: string): number => asked.filter((one) => one === name).length
    assert.deepEqual(['a.mp3', 'b.mp3', 'c.mp3'].map(times), [6, 6, 1])
  })

  it('has each version of a file transcribed once, also after a restart', async () => {
    const folder = await folderWith('a.mp3', 'bad.mp3')
    const [a, bad] = await mediaFiles([folder], search(false))
    const parent = path.join(folder, 'state')
    const asked: string[] = []
    const round = async (): Promise<void> => {
      const stop = new AbortController()
      const done = await open(parent)
      const transcriber = transcriberOf()
      const batch = batchOf(BESIDE, ['txt'], { transcriber, signal: stop.signal })
      const queue = new WatchQueue(done, batch)
      const ran = queue.run()
      for (const file of [a!, bad!, a!]) queue.add(file)
      await queue.idle()
      stop.abort()
      await ran
      await done.close()
      // Both files are looked at side by side.
      asked.push(transcriber.asked.toSorted().join())
    }
    await round()
    await round()
    await utimes(a!.file, 1, 1)
    await round()
    assert.deepEqual(asked, ['a.mp3,bad.mp3', '', 'a.mp3'])
  })

  it('ends when the settings are wrong, and is watched by one process', async () => {
    const folder = await folderWith('a.mp3')
    const [a] = await mediaFiles([folder], search(false))
    const done = await open(path.join(folder, 'state'))
    assert.equal(await DoneFiles.open(path.join(folder, 'state'), 'k'), null)
    const refused = new AppError('unauthorized', 'The key is wrong.')
    const transcriber = transcriberOf({
      async transcribe(file) {
        transcriber.asked.push(file)
        throw refused
      },
    })
    const queue = new WatchQueue(done, batchOf(BESIDE, ['txt'], { transcriber }))
    const ran = queue.run()
    queue.add(a!)
    await assert.rejects(ran, (error) => error === refused)
    transcriber.asked.length = 0
    queue.add({ ...a!, name: 'another' })
    await queue.idle()
    assert.deepEqual(transcriber.asked, [])
    await done.close()
  })
})
