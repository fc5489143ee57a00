import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import type { Claimed } from '../coordinator/running.ts'
import { noPostgres, PostgresServer } from '../shared/postgres-server.ts'
import { PATIENCE_MS } from './scene.ts'
import { Several } from './several.ts'
import { until } from './until.ts'

const BEFORE = 10
const AFTER = 20

test(
  'a synchronous standby that takes over has all that was acknowledged, and the coordinators find it',
  { skip: noPostgres, timeout: PATIENCE_MS },
  async (t) => {
    const primary = await PostgresServer.start({ isDurable: true })
    t.after(() => primary.stop())
    const standby = await primary.standby()
    t.after(() => standby.stop())
    const hosts = [primary, standby].map(({ port }) => `127.0.0.1:${port}`).join(',')
    const url = `postgres://morag@${hosts}/postgres`
    const several = await Several.start({ url, clocks: [0, 0] })
    t.after(async () => await several.close())

    const created: string[] = []
    const create = async (): Promise<void> => {
      const { status, body, headers } = await several.at(created.length % 2).create(several.file)
      if (status === 200) created.push(String(body['job_id']))
      else assert.deepEqual([status, Number(headers.get('retry-after')) > 0], [503, true])
    }
    const claimed = async (): Promise<Claimed> => {
      const claim_id = `claim ${got.length}`
      const asked = { claim_id, wait_seconds: 20 }
      const [job] = await several.at(got.length % 2).claimed('w', asked)
      return job!
    }
    const got: Claimed[] = []
    while (created.length < BEFORE) await create()
    got.push(await claimed())

    const killed = primary.kill()
    await create()
    await killed
    for (let tries = 0; tries < 10; tries += 1) await create()
    standby.promote()
    while (created.length < AFTER) {
      await create()
      await delay(50)
    }
    await until(async () => (await several.at(1).beat('w', got)).status === 200)
    while (got.length < created.length) got.push(await claimed())
    assert.deepEqual(new Set(got.map(({ job_id: id }) => id)), new Set(created))
    for (const [n, job] of got.entries()) {
      const { status } = await several.at(n % 2).finish(job, `text ${n}`)
      assert.equal(status, 200)
    }
  },
)
