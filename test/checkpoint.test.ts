import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { chmod, readFile, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { test } from 'node:test'
import { startCoordinator } from '../scripts/processes.ts'
import { CLIPS, ffmpeg, makeSilence, testTools } from './agent/fixtures.ts'
import { startAgent, TestClient } from './conversion-set-up.ts'
import { tempFolder } from './shared/temp-folder.ts'

/** Each is a part of the embedded engine: from a minute on it ends at the longest pause. */
const PARTS = 3
const ROUNDS_OF_PART = 4
const PAUSE_SECONDS = 3
const skip = process.platform === 'win32' ? 'wraps ffmpeg in a shell script' : false

const TWO_SLOTS = ['--gpus', 'none', '--slots', '2']

/** How much of a recording is recognised, in seconds; 0 without a checkpoint. */
function doneUntilOf(checkpoint: string): number {
  if (!existsSync(checkpoint)) return 0
  const { voices } = JSON.parse(readFileSync(checkpoint, 'utf8')) as {
    voices: { doneUntil: number }[]
  }
  return voices[0]!.doneUntil
}

test(
  `an attempt after a killed agent does only what is left of a recording of ${PARTS} parts, and the text is the same as on one slot`,
  { skip },
  async () => {
    const folder = tempFolder()
    const list = path.join(folder, 'list.txt')
    const round = [CLIPS.jfk.file, CLIPS.austen.file]
    const speech = Array.from({ length: ROUNDS_OF_PART }, () => round).flat()
    const part = [...speech, await makeSilence(folder, PAUSE_SECONDS)]
    await writeFile(
      list,
      part
        .map((one) => `file '${one}'\n`)
        .join('')
        .repeat(PARTS),
    )
    const file =
      await ffmpeg`-f concat -safe 0 -i ${list} -c:a flac ${path.join(folder, 'long.flac')}`
    // The real ffmpeg, and a note of how it was called.
    const log = path.join(folder, 'ffmpeg.log')
    const wrapped = path.join(folder, 'ffmpeg')
    const { ffmpeg: real } = await testTools()
    await writeFile(wrapped, `#!/bin/sh\necho "$@" >> '${log}'\nexec '${real}' "$@"\n`)
    await chmod(wrapped, 0o755)

    const coordinator = await startCoordinator(path.join(folder, 'data'), folder, {
      args: ['--lease', '3s'],
    })
    const client = new TestClient(coordinator.url)
    const first = startAgent(coordinator.url, folder, 'first', ...TWO_SLOTS)
    const jobId = await client.upload(file, 'audio')
    const checkpoint = path.join(folder, 'data', 'checkpoints', `${jobId}.json`)
    // Looked at also once the job has ended, when there is none any more.
    const begun = await client.until(
      jobId,
      ({ status }) => status === 'completed' || doneUntilOf(checkpoint) > 0,
    )
    assert.equal(begun.status, 'processing')
    first.signal('SIGKILL')
    await first.ended
    const doneUntil = doneUntilOf(checkpoint)
    const second = startAgent(
      coordinator.url,
      folder,
      'second',
      '--once',
      '--ffmpeg',
      wrapped,
      ...TWO_SLOTS,
    )
    const job = await client.ended(jobId)
    assert.deepEqual(
      job.attempts.map(({ worker_id: worker, outcome }) => [worker, outcome]),
      [
        ['first', 'lost'],
        ['second', 'completed'],
      ],
    )
    await second.ended

    const decodes = (await readFile(log, 'utf8'))
      .split('\n')
      .filter((line) => line.includes('-ss '))
    assert.equal(decodes.length, 1)
    const from = Number(/-ss ([\d.]+)/.exec(decodes[0]!)?.[1])
    const { metadata } = await client.result(jobId)
    assert.ok(doneUntil > metadata.duration * 0.25, `only ${doneUntil} s were done`)
    // What was done last is heard again in part, as a recogniser needs something to begin with.
    assert.ok(from > doneUntil - 30, `decoded from ${from} s on, of which ${doneUntil} s were done`)

    const third = startAgent(coordinator.url, folder, 'third', '--once')
    const undisturbed = await client.upload(file, 'audio')
    await client.ended(undisturbed)
    const whole = await client.result(undisturbed)
    // How long it took is the one difference.
    const timeless = { ...metadata, processing_time: null }
    assert.deepEqual({ ...whole.metadata, processing_time: null }, timeless)
    assert.deepEqual((await client.detail(undisturbed)).attempts.length, 1)
    await third.ended
    coordinator.signal('SIGKILL')
  },
)
