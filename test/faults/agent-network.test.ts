import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { CLIPS } from '../agent/fixtures.ts'
import { badLine } from './bad-line.ts'
import { farNetwork, NO_NETWORK } from './far-network.ts'
import { engineFlags } from './held-programs.ts'
import { makeRecording, PATIENCE_MS, Scene, skip } from './scene.ts'

/** How long the cable is out. */
const OUT_MS = 2_000
/** Each way, of each piece. */
const DELAY_MS = 20

let scene: Scene | null = null
after(() => scene?.close())

test(
  'a job gets through a network that loses packets and breaks off in the middle, in one attempt',
  { skip, timeout: PATIENCE_MS },
  async (t) => {
    const network = await farNetwork()
    if (network === null) return t.skip(NO_NETWORK)
    t.after(() => network.release())
    t.diagnostic(`the network: ${network.quality}`)
    // It is asked under another name than its own.
    scene = await Scene.open({ args: ['--insecure-no-auth'] })
    const lane = await scene.lane('far', 'far', network.host)
    const flags = await engineFlags(scene.folder, 'engine', { says: 'from afar' })
    const fetches = lane.next('download')
    const jobId = await lane.upload(CLIPS.jfk.file)
    const ended = network.agent([...lane.usual, ...flags, '--once'])
    await Promise.race([fetches, ended])
    await network.cable('out')
    await delay(OUT_MS)
    await network.cable('in')
    const { exitCode, said } = await ended
    assert.equal(exitCode, 0, said)
    const { status, attempts } = await scene.client.detail(jobId)
    assert.deepEqual([status, attempts.map(({ outcome }) => outcome)], ['completed', ['completed']])
    assert.match((await scene.client.result(jobId)).content, /from afar/)
  },
)

test(
  'a job gets through a line that delays and cuts, and is dead for a while, in one attempt',
  { skip, timeout: PATIENCE_MS },
  async (t) => {
    scene ??= await Scene.open({ args: ['--insecure-no-auth'] })
    const lane = await scene.lane('behind')
    const line = await badLine(new URL(lane.proxy.url).port, DELAY_MS)
    t.after(() => line.close())
    const flags = await engineFlags(scene.folder, 'near', { says: 'from behind' })
    const recording = await makeRecording(scene.folder, 2)
    const fetches = lane.next('download')
    const jobId = await lane.upload(recording)
    lane.agent([...flags, '--once'], { url: line.url })
    await fetches
    line.cable('out')
    await delay(OUT_MS)
    line.cable('in')
    const { status, attempts } = await lane.ended(jobId)
    assert.deepEqual([status, attempts.map(({ outcome }) => outcome)], ['completed', ['completed']])
    assert.match((await scene.client.result(jobId)).content, /from behind/)
    assert.ok(line.cuts() > 0, 'nothing was cut')
  },
)
