import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import path from 'node:path'
import { before, describe, test } from 'node:test'
import { wordErrors } from '../agent/wer.ts'
import { startCoordinator, type Running, type RunningCoordinator } from '../scripts/processes.ts'
import { CLIPS, ffmpeg } from './agent/fixtures.ts'
import { startAgent, TestClient, type Result } from './conversion-set-up.ts'
import { seededBytes } from './shared/seeded-random.ts'
import { tempFolder } from './shared/temp-folder.ts'

function textOf({ metadata }: Result): string {
  return metadata.segments.map(({ text }) => text).join(' ')
}

describe('a coordinator and an agent', () => {
  const folder = tempFolder()
  let coordinator: RunningCoordinator
  let client: TestClient
  let agent: Running

  before(async () => {
    coordinator = await startCoordinator(path.join(folder, 'data'), folder)
    client = new TestClient(coordinator.url)
    agent = startAgent(coordinator.url, folder, 'gpu-1')
  })

  test('turn a recording into its words', async () => {
    const jobId = await client.upload(CLIPS.jfk.file, 'audio')
    const { status, worker_id: workerId } = await client.ended(jobId)
    assert.deepEqual([status, workerId], ['completed', 'gpu-1'])
    const result = await client.result(jobId)
    assert.equal(wordErrors(CLIPS.jfk.text, textOf(result)).errors, 0)
    assert.match(result.content, /^# Audio Transcription: jfk\.wav\n/)
    assert.match(result.content, /\n## Detailed Transcript\n\n\[00:00\] And so/)
  })

  test('turn a video into its words and its facts', async () => {
    const file =
      await ffmpeg`-f lavfi -i testsrc=size=320x240:rate=10 -i ${CLIPS.austen.file} -shortest -c:v mpeg4 -c:a aac ${path.join(folder, 'austen.mp4')}`
    const jobId = await client.upload(file, 'video')
    assert.equal((await client.ended(jobId)).status, 'completed')
    const result = await client.result(jobId)
    assert.ok(wordErrors(CLIPS.austen.text, textOf(result)).errors <= 2)
    assert.match(result.content, /^# Video Analysis: austen\.mp4\n\n## Video Information\n/)
    assert.match(result.content, /320x240/)
  })

  test('fail a file of random bytes at once, as invalid media', async () => {
    const file = path.join(folder, 'noise.mp3')
    await writeFile(file, seededBytes(1, 200_000))
    const job = await client.ended(await client.upload(file, 'audio'))
    assert.deepEqual(
      [job.status, job.error_code, job.attempts.length],
      ['failed', 'invalid_media', 1],
    )
  })

  test('complete silence as a recording without speech', async () => {
    const file =
      await ffmpeg`-f lavfi -i anullsrc=r=16000:cl=mono -t 5 ${path.join(folder, 'silence.wav')}`
    const jobId = await client.upload(file, 'audio')
    assert.equal((await client.ended(jobId)).status, 'completed')
    const { metadata } = await client.result(jobId)
    assert.equal(metadata.has_speech, false)
    assert.deepEqual(metadata.segments, [])
  })

  test('fail a video that has nothing to hear for good', async () => {
    const file =
      await ffmpeg`-f lavfi -i testsrc=size=320x240:rate=10 -t 2 -c:v mpeg4 ${path.join(folder, 'mute.mp4')}`
    const job = await client.ended(await client.upload(file, 'video'))
    assert.deepEqual([job.status, job.error_code], ['failed', 'no_audio'])
  })

  test('end with exit code 0 after a signal to stop', async () => {
    agent.signal('SIGTERM')
    assert.deepEqual(await agent.ended, { exitCode: 0, signal: undefined })
    coordinator.signal('SIGTERM')
    assert.deepEqual(await coordinator.ended, { exitCode: 0, signal: undefined })
  })
})
