import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { CLIPS } from '../agent/fixtures.ts'
import { farNetwork, NO_NETWORK } from './far-network.ts'
import { engineFlags } from './held-programs.ts'
import { PATIENCE_MS, Scene, skip } from './scene.ts'

/** How long the cable is out. */
const OUT_MS = 2_000

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
