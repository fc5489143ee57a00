import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { readFile, stat } from 'node:fs/promises'
import path from 'node:path'
import { after, before, describe, test, type TestContext } from 'node:test'
import { download } from '../../agent/client/download.ts'
import type { Running } from '../../scripts/processes.ts'
import { clientOf, startServer } from '../agent/fake-server.ts'
import { tempFolder } from '../shared/temp-folder.ts'
import { Asking } from './asking.ts'
import { engineFlags, goOn, heldTools, stopped } from './held-programs.ts'
import { gone, type Lane, makeRecording, PATIENCE_MS, Scene, skip } from './scene.ts'

const folder = tempFolder()

type Lanes = [Lane, Lane, Lane, Lane, Lane, Lane, Lane]

describe('a coordinator that goes away', { skip, timeout: PATIENCE_MS }, () => {
  let scene: Scene
  let recording: string
  let plain: string[]
  let held: string[]

  before(async () => {
    // A heartbeat is a third of it: one is waited for.
    scene = await Scene.open({ args: ['--lease', '18s'] })
    recording = await makeRecording(scene.folder)
    plain = await engineFlags(scene.folder, 'plain', { says: 'it came back' })
    held = await engineFlags(scene.folder, 'held', { says: 'it came back', held: true })
  })
  after(() => scene.close())

  async function leave(agent: Running): Promise<void> {
    agent.signal('SIGTERM')
    assert.equal((await agent.ended).exitCode, 0)
  }

  /** The job is done, in one attempt, and of the very file that was uploaded. */
  async function isDone(lane: Lane, jobId: string, file = recording): Promise<void> {
    const { status, attempts } = await lane.ended(jobId)
    assert.deepEqual(
      [lane.name, status, attempts.map(({ outcome }) => outcome)],
      [lane.name, 'completed', ['completed']],
    )
    const { content, metadata } = await scene.client.result(jobId)
    assert.match(content, /it came back/)
    const sha256 = createHash('sha256').update(await readFile(file))
    assert.equal((metadata as unknown as { checksum: string }).checksum, sha256.digest('hex'))
  }

  /** The whole file went through once, and little of it twice: what a cut finds in the agent's buffers. */
  function hasFetchedOnce({ proxy }: Lane, sizeBytes: number): void {
    const fetched = proxy.of('download').reduce((sum, one) => sum + one.answeredBytes, 0)
    assert.ok(fetched >= sizeBytes && fetched <= 1.3 * sizeBytes, `${fetched} of ${sizeBytes}`)
  }

  test('whose connection is cut at every tenth of a download sends each part once', async () => {
    const lane = await scene.lane('cuts')
    const file = await makeRecording(scene.folder, 4)
    const sizeBytes = (await stat(file)).size
    lane.proxy.fate = ({ kind, headers }) => {
      if (kind !== 'download') return 'pass'
      const from = Number(/^bytes=(\d+)-$/.exec(headers.range ?? '')?.[1] ?? 0)
      const tenth = Math.ceil(sizeBytes / 10)
      const bytes = (Math.floor(from / tenth) + 1) * tenth - from
      return from + bytes >= sizeBytes ? 'pass' : { bytes, end: 'cut' }
    }
    const agent = lane.agent(plain)
    await isDone(lane, await lane.upload(file), file)
    const requests = lane.proxy.of('download').length
    assert.ok(requests >= 10, `${requests} requests`)
    hasFetchedOnce(lane, sizeBytes)
    await leave(agent)
  })

  test('at every stage finds each job where it was when it is back', async () => {
    const names = 'fetching probing decoding transcribing sending delivering idle'.split(' ')
    const [fetching, probing, decoding, transcribing, sending, delivering, idle] =
      (await Promise.all(names.map((name) => scene.lane(name)))) as Lanes
    const agents = [
      fetching.agent(plain),
      probing.agent([...plain, '--ffmpeg', await heldTools(scene.folder, 'ffprobe')]),
      decoding.agent([...plain, '--ffmpeg', await heldTools(scene.folder, 'ffmpeg')]),
      transcribing.agent(held),
      sending.agent(plain),
      delivering.agent(plain),
      idle.agent(plain),
    ] as const
    fetching.proxy.fate = ({ kind }) =>
      kind === 'download' ? { bytes: 1_000_000, end: 'hold' } : 'pass'
    // Neither of a file of the result nor of itself does the coordinator hear to the end.
    sending.proxy.fate = ({ kind }) => (kind === 'artifact' ? 'hold' : 'pass')
    delivering.proxy.fate = ({ kind }) => (kind === 'result' ? 'cut' : 'pass')
    const sent = [sending.next('artifact'), delivering.next('result')]
    const waits = idle.next('claim')
    const jobs = [
      await fetching.upload(recording),
      await probing.upload(recording),
      await decoding.upload(recording),
      await transcribing.upload(recording),
      await sending.upload(recording, { formats: ['srt'] }),
      await delivering.upload(recording),
    ] as const
    const [ffprobe, ffmpeg, engine] = await Promise.all([
      stopped(agents[1].pid),
      stopped(agents[2].pid),
      stopped(agents[3].pid),
    ])
    await scene.client.until(jobs[0], ({ progress }) => (progress ?? 0) > 0)
    await Promise.all([...sent, waits])
    await scene.kill()
    const inVain = fetching.next('download')
    for (const { proxy } of [fetching, sending]) proxy.cut()
    // What needs no coordinator goes on without it.
    goOn(ffmpeg)
    await agents[2].line((line) => /done in/.test(line))
    await agents[6].line((line) => /Trying again until it is back/.test(line))
    await inVain
    for (const { proxy } of [fetching, sending, delivering]) proxy.fate = () => 'pass'
    await scene.comeBack('--lease', '18s')
    for (const held of [ffprobe, engine]) goOn(held)
    const lanes = [fetching, probing, decoding, transcribing, sending, delivering] as const
    for (const [at, lane] of lanes.entries()) await isDone(lane, jobs[at]!)
    const { body } = await new Asking(scene.url).send('GET', `/remote-jobs/${jobs[4]}/artifacts`)
    assert.equal((body['artifacts'] as unknown[]).length, 1)
    await isDone(idle, await idle.upload(recording))
    hasFetchedOnce(fetching, (await stat(recording)).size)
    await Promise.all(agents.map(leave))
  })

  test('and gives a job to another meanwhile is obeyed: its first agent stops, and takes the next', async () => {
    const first = await scene.lane('cut-off', 'shared')
    const second = await scene.lane('reached', 'shared')
    const one = first.agent(held)
    const jobId = await first.upload(recording)
    const engine = await stopped(one.pid)
    await first.proxy.goAway()
    const two = second.agent(plain)
    await second.hand(jobId)
    assert.equal((await second.ended(jobId)).status, 'completed')
    await leave(two)
    await first.proxy.comeBack()
    await gone([engine])
    const next = await first.upload(recording)
    goOn(await stopped(one.pid))
    assert.equal((await first.ended(next)).status, 'completed')
    assert.deepEqual(
      (await scene.client.detail(jobId)).attempts.map((a) => [a.worker_id, a.outcome]),
      [
        ['cut-off', 'reassigned'],
        ['reached', 'completed'],
      ],
    )
    assert.deepEqual(first.proxy.of('result').length, 1)
    await leave(one)
  })
})

/** A file of a server that is away for a while after the first bytes. */
async function awayFor(t: TestContext, tries: number): Promise<{ requests: number }> {
  const bytes = Buffer.alloc(200_000, 'x')
  let came = 0
  const server = await startServer(t, ({ headers }, response) => {
    came += 1
    if (came > 1 && came <= tries + 1) return void response.destroy()
    const from = Number(/^bytes=(\d+)-/.exec(headers.range ?? '')?.[1] ?? 0)
    const range = { 'content-range': `bytes ${from}-${bytes.length - 1}/${bytes.length}` }
    const length = { etag: '"1"', 'content-length': bytes.length - from }
    response.writeHead(from === 0 ? 200 : 206, { ...length, ...(from > 0 && range) })
    if (came > 1) response.end(bytes.subarray(from))
    else response.write(bytes.subarray(0, 1_000), () => response.destroy())
  })
  await download({
    connection: clientOf(t, server.url, { retryMinMs: 0 }).connection,
    source: { url: '/x', filename: 'x', sizeBytes: bytes.length, sha256: null, etag: '"1"' },
    leaseToken: 'l',
    target: path.join(folder, 'x'),
    signal: new AbortController().signal,
  })
  return { requests: came }
}

test('a download outlasts a coordinator that is away for minutes', async (t) => {
  // Half a minute is between the later ones.
  assert.equal((await awayFor(t, 20)).requests, 22)
})

test('a download ends when the coordinator does not come back', async (t) => {
  await assert.rejects(awayFor(t, 1_000), { code: 'download_failed' })
})
