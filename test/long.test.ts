import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import path from 'node:path'
import { test } from 'node:test'
import { wordErrors } from '../agent/wer.ts'
import { family, residentMb } from '../scripts/process-tree.ts'
import { startCoordinator } from '../scripts/processes.ts'
import { CLIPS, ffmpeg, makeSilence } from './agent/fixtures.ts'
import { startAgent, TestClient } from './conversion-set-up.ts'
import { tempFolder } from './shared/temp-folder.ts'

/** Each round is speech and then silence: the engine, which takes most of the time, has 3 minutes of speech to do. */
const ROUND_SECONDS = 180
const ROUNDS = (30 * 60) / ROUND_SECONDS
const MOST_MB = 700
const skip = process.platform === 'linux' ? false : 'measures memory through /proc'

test(
  `a recording of 30 minutes comes back complete and in order, in less than ${MOST_MB} MB`,
  { skip },
  async (t) => {
    const folder = tempFolder()
    const list = path.join(folder, 'list.txt')
    const pause = await makeSilence(
      folder,
      ROUND_SECONDS - CLIPS.jfk.seconds - CLIPS.austen.seconds,
    )
    const round = [CLIPS.jfk.file, CLIPS.austen.file, pause]
      .map((one) => `file '${one}'\n`)
      .join('')
    await writeFile(list, round.repeat(ROUNDS))
    const file =
      await ffmpeg`-f concat -safe 0 -i ${list} -b:a 64k ${path.join(folder, 'long.mp3')}`

    const coordinator = await startCoordinator(path.join(folder, 'data'), folder)
    const client = new TestClient(coordinator.url)
    const agent = startAgent(coordinator.url, folder, 'long', '--once')
    const jobId = await client.upload(file, 'audio')
    let peakMb = 0
    const job = await client.until(jobId, ({ status }) => {
      const mb = family(agent.pid).map(residentMb)
      peakMb = Math.max(
        peakMb,
        mb.reduce((sum, one) => sum + one, 0),
      )
      return !['pending', 'processing'].includes(status)
    })
    assert.equal(job.status, 'completed')

    const { metadata } = await client.result(jobId)
    assert.ok(
      Math.abs(metadata.duration - ROUNDS * ROUND_SECONDS) < 20,
      `it is ${metadata.duration} s long`,
    )
    let end = 0
    for (const segment of metadata.segments) {
      assert.ok(segment.start >= end && segment.end > segment.start, JSON.stringify(segment))
      end = segment.end
    }
    assert.ok(end <= metadata.duration)
    const said = `${CLIPS.jfk.text} ${CLIPS.austen.text} `.repeat(ROUNDS)
    const heard = metadata.segments.map(({ text }) => text).join(' ')
    const { errors, words } = wordErrors(said, heard)
    // The engine's own errors depend on the encoder of the day: 0.6 to 1.6 % were seen of the same speech.
    assert.ok(errors <= words / 50, `${errors} of ${words} words are wrong`)
    assert.ok(peakMb < MOST_MB, `the agent and its engine took ${peakMb.toFixed(0)} MB`)
    t.diagnostic(`${errors} of ${words} words wrong, at most ${peakMb.toFixed(0)} MB`)
    await agent.ended
    coordinator.signal('SIGKILL')
  },
)
