import assert from 'node:assert/strict'
import { mkdir, mkdtemp, readFile, rm, utimes, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { describe, it } from 'node:test'
import { runBatch, type BatchOptions } from '../../agent/files/batch.ts'
import { DoneFiles } from '../../agent/files/done-files.ts'
import { mediaFiles } from '../../agent/files/media-files.ts'
import { BESIDE, OutputFolder } from '../../agent/files/output-folder.ts'
import type { Transcriber } from '../../agent/files/transcriber.ts'
import { WatchQueue } from '../../agent/files/watch-queue.ts'
import { SILENT } from '../../agent/progress/json-reporter.ts'
import { AppError, EXIT } from '../../shared/errors.ts'
import type { Form } from '../../shared/forms.ts'
import { tempFolder } from '../shared/temp-folder.ts'

const root = tempFolder()

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
      (await mediaFiles(named, { recursive })).map(({ name }) => name)
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

  it('have their transcripts in a folder like theirs, or beside them, under names of their own', async () => {
    const folder = await folderWith('a.mp3', 'a.wav', 'sub/b.mp3')
    const outputs = async (place: string): Promise<string[]> => {
      const files = await mediaFiles([folder], { recursive: true })
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
    await runBatch(await mediaFiles([folder], { recursive: true }), batch)
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
    await runBatch(await mediaFiles([folder], { recursive: false }), batch)
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
    const run = runBatch(await mediaFiles([folder], { recursive: false }), batch)
    await assert.rejects(run, (error) => error === reason)
  })
})

describe('a watched folder', () => {
  const open = async (parent: string): Promise<DoneFiles> => (await DoneFiles.open(parent, 'k'))!

  it('has each version of a file transcribed once, also after a restart', async () => {
    const folder = await folderWith('a.mp3', 'bad.mp3')
    const [a, bad] = await mediaFiles([folder], { recursive: false })
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
      asked.push(transcriber.asked.join())
    }
    await round()
    await round()
    await utimes(a!.file, 1, 1)
    await round()
    assert.deepEqual(asked, ['a.mp3,bad.mp3', '', 'a.mp3'])
  })

  it('ends when the settings are wrong, and is watched by one process', async () => {
    const folder = await folderWith('a.mp3')
    const [a] = await mediaFiles([folder], { recursive: false })
    const done = await open(path.join(folder, 'state'))
    assert.equal(await DoneFiles.open(path.join(folder, 'state'), 'k'), null)
    const refused = new AppError('unauthorized', 'The key is wrong.')
    const transcriber = transcriberOf({ transcribe: async () => await Promise.reject(refused) })
    const queue = new WatchQueue(done, batchOf(BESIDE, ['txt'], { transcriber }))
    const ran = queue.run()
    queue.add(a!)
    await assert.rejects(ran, (error) => error === refused)
    await done.close()
  })
})
