import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { family } from '../../scripts/process-tree.ts'
import type { Running } from '../../scripts/processes.ts'
import { engineFlags, heldTools, stopped } from './held-programs.ts'
import { gone, type Lane, makeRecording, PATIENCE_MS, Scene, skip } from './scene.ts'
import { until } from './until.ts'

const SAYS = 'what was said'

describe('an agent that is killed', { skip, timeout: PATIENCE_MS, concurrency: 3 }, () => {
  let scene: Scene
  let recording: string
  let plain: string[]

  before(async () => {
    scene = await Scene.open()
    recording = await makeRecording(scene.folder)
    plain = await engineFlags(scene.folder, 'plain', { says: SAYS })
  })
  after(() => scene.close())

  /** Kills it; whatever it had started ends with it, also what does nothing at all. */
  async function kill(agent: Running): Promise<void> {
    const children = family(agent.pid).filter((pid) => pid !== agent.pid)
    agent.signal('SIGKILL')
    await agent.ended
    await gone(children)
  }

  /** The next agent under the same name does the job, and nothing of the one before is left. */
  async function finish(lane: Lane, jobId: string, ends: readonly string[]): Promise<void> {
    const next = lane.agent([...plain, '--exit-when-idle'])
    const job = await lane.ended(jobId)
    assert.equal(job.status, 'completed')
    assert.deepEqual(
      job.attempts.map(({ outcome }) => outcome),
      ends,
    )
    assert.match((await scene.client.result(jobId)).content, new RegExp(SAYS))
    assert.equal((await next.ended).exitCode, 0)
    assert.deepEqual(await lane.files(), [])
  }

  test('before it knows that it was given a job leaves it to the next', async () => {
    const lane = await scene.lane('claiming')
    lane.proxy.fate = ({ kind }) => (kind === 'claim' ? 'lose' : 'pass')
    const agent = lane.agent(plain)
    const jobId = await lane.upload(recording)
    await scene.client.until(jobId, ({ status }) => status === 'processing')
    await kill(agent)
    assert.equal(lane.proxy.of('download').length, 0)
    lane.proxy.fate = () => 'pass'
    await lane.hand(jobId)
    await finish(lane, jobId, ['reassigned', 'completed'])
  })

  test('in the middle of its download leaves the job to the next', async () => {
    const lane = await scene.lane('downloading')
    lane.proxy.fate = ({ kind }) =>
      kind === 'download' ? { bytes: 1_000_000, end: 'hold' } : 'pass'
    const agent = lane.agent(plain)
    const jobId = await lane.upload(recording)
    await until(async () => (await lane.files()).includes('source.wav'))
    await kill(agent)
    assert.deepEqual(await lane.files(), ['source.wav'])
    lane.proxy.fate = () => 'pass'
    await lane.hand(jobId)
    await finish(lane, jobId, ['reassigned', 'completed'])
  })

  for (const [stage, tool] of [
    ['probing', 'ffprobe'],
    ['decoding', 'ffmpeg'],
  ] as const) {
    test(`while ${tool} runs leaves the job to the next, and no ${tool}`, async () => {
      const lane = await scene.lane(stage)
      const agent = lane.agent([...plain, '--ffmpeg', await heldTools(scene.folder, tool)])
      const jobId = await lane.upload(recording)
      await stopped(agent.pid)
      await kill(agent)
      assert.ok((await lane.files()).includes('source.wav'))
      await lane.hand(jobId)
      await finish(lane, jobId, ['reassigned', 'completed'])
    })
  }

  test('while its engine runs leaves the job to the next, and no engine', async () => {
    const lane = await scene.lane('transcribing')
    const held = await engineFlags(scene.folder, 'held', { says: SAYS, held: true })
    const agent = lane.agent(held)
    const jobId = await lane.upload(recording)
    await stopped(agent.pid)
    await scene.client.until(jobId, ({ stage }) => stage === 'transcribing')
    await kill(agent)
    await lane.hand(jobId)
    await finish(lane, jobId, ['reassigned', 'completed'])
  })

  for (const [title, kind, fate] of [
    ['while it sends a file of the result', 'artifact', 'hold'],
    ['before it knows that its result has arrived', 'result', 'lose'],
  ] as const) {
    test(`${title} leaves the result to be sent by the next, and once`, async () => {
      const lane = await scene.lane(`${kind}-${fate}`)
      lane.proxy.fate = (one) => (one.kind === kind ? fate : 'pass')
      const agent = lane.agent(plain)
      const sent = lane.next(kind)
      const jobId = await lane.upload(recording, { formats: ['srt'] })
      await sent
      if (fate === 'lose') await lane.ended(jobId)
      await kill(agent)
      const kept = await lane.files()
      for (const name of [`${jobId}.1.json`, 'transcript.srt']) assert.ok(kept.includes(name))
      lane.proxy.fate = () => 'pass'
      await finish(lane, jobId, ['completed'])
      const url = `${scene.url}/api/v1/remote-jobs/${jobId}/artifacts/transcript.srt`
      // It may be more than one subtitle.
      const text = (await (await fetch(url)).text()).replaceAll(/\n\n.*\n.* --> .*\n/g, ' ')
      assert.ok(text.includes(SAYS), text)
    })
  }
})
