import assert from 'node:assert/strict'
import { chmodSync, mkdirSync, rmSync } from 'node:fs'
import path from 'node:path'
import { after, before, describe, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { execa } from 'execa'
import type { Claimed } from '../coordinator/running.ts'
import { BreakingLine } from '../shared/breaking-line.ts'
import { noPostgres, PostgresServer } from '../shared/postgres-server.ts'
import { Asking } from './asking.ts'
import { Proxy } from './proxy.ts'
import { PATIENCE_MS } from './scene.ts'
import { mountDisk, NO_MOUNT } from './small-disk.ts'
import { Several } from './several.ts'
import { until } from './until.ts'

const MINUTE = 60_000
const LEASE_MS = 3_000
const WAIT = { wait_seconds: 20 }

interface Detail {
  status: string
  created_at: string
  completed_at: string
  attempts: { number: number; worker_id: string; outcome: string | null; started_at: string }[]
}

describe(
  'three coordinators over one database, their clocks ten minutes apart',
  { skip: noPostgres, timeout: PATIENCE_MS },
  () => {
    const ends: (() => unknown)[] = []
    let server: PostgresServer
    let several: Several
    /** On which they hear of each other. */
    let line: BreakingLine

    before(async () => {
      server = await PostgresServer.start({ isDurable: true })
      ends.push(() => server.stop())
      line = await BreakingLine.to(server.port, { after: (end) => void ends.push(end) })
      several = await Several.start({
        url: server.url('postgres'),
        clocks: [0, 10 * MINUTE, -10 * MINUTE],
        args: ['--lease', `${LEASE_MS}ms`],
        listenPort: line.port,
      })
      ends.push(async () => await several.close())
    })
    after(async () => {
      for (const end of ends.toReversed()) await end()
    })

    const create = async (n: number): Promise<string> =>
      String((await several.at(n).create(several.file)).body['job_id'])
    const detail = async (n: number, jobId: string): Promise<Detail> =>
      (await several.at(n).send('GET', `/remote-jobs/${jobId}`)).body as unknown as Detail
    const content = async (n: number, jobId: string): Promise<unknown> =>
      (await several.at(n).send('GET', `/remote-jobs/${jobId}/result`)).body['content']
    const orders = async (n: number, worker: string, jobs: readonly Claimed[]) =>
      ((await several.at(n).beat(worker, jobs)).body['jobs'] as { order: string }[]).map(
        ({ order }) => order,
      )

    /** Whether a call waits for work at the n-th. */
    const waitsAt = async (n: number): Promise<boolean> => {
      const metrics = await fetch(`${several.running(n).url}/metrics`)
      return /^morag_long_polls 1$/m.test(await metrics.text())
    }

    test('a job of one is worked on through the others for as long as its worker is heard of', async () => {
      const from = Date.now()
      const spoken = await create(0)
      const [held] = await several.at(1).claimed('speaks', WAIT)
      const silent = await create(1)
      const [forgotten] = await several.at(2).claimed('is silent', WAIT)
      assert.deepEqual([held?.job_id, forgotten?.job_id], [spoken, silent])
      const began = performance.now()
      while ((await detail(0, silent)).status === 'processing') {
        assert.deepEqual(await orders(2, 'speaks', [held!]), ['continue'])
        await delay(500)
      }
      const heldMs = performance.now() - began
      assert.ok(heldMs > LEASE_MS - 500 && heldMs < 10 * LEASE_MS, `${heldMs} ms`)
      assert.deepEqual(await orders(0, 'speaks', [held!]), ['continue'])
      assert.equal((await several.at(0).finish(held!, 'a text')).status, 200)
      assert.equal(await content(2, spoken), 'a text')
      const { created_at, completed_at, attempts } = await detail(2, spoken)
      const times = [from, ...[created_at, attempts[0]!.started_at, completed_at].map(Date.parse)]
      assert.deepEqual(
        times,
        times.toSorted((a, b) => a - b),
      )
      assert.ok(times.at(-1)! < Date.now() + 1_000)
      await several.at(0).send('POST', `/remote-jobs/${silent}/cancel`)
    })

    test('a claim and a result that got no answer are had at another, also when their coordinator was killed', async () => {
      const cut = await Proxy.open(several.running(0).url)
      ends.push(async () => await cut.goAway())
      cut.fate = () => 'lose'
      const jobId = await create(1)
      const asked = { claim_id: 'asked twice' }
      await assert.rejects(new Asking(cut.url).claim('w', asked))
      await several.kill(0)
      const [job] = await several.at(1).claimed('w', asked)
      assert.deepEqual([job?.job_id, job?.attempt], [jobId, 1])

      const cutToo = await Proxy.open(several.running(1).url)
      ends.push(async () => await cutToo.goAway())
      cutToo.fate = () => 'lose'
      await assert.rejects(new Asking(cutToo.url).finish(job!, 'once'))
      assert.equal((await several.at(2).finish(job!, 'once')).status, 200)
      assert.equal(await content(1, jobId), 'once')
      assert.deepEqual(
        (await detail(1, jobId)).attempts.map(({ outcome }) => outcome),
        ['completed'],
      )
      await several.start(0)
    })

    test('what a coordinator that stood still does late is refused', async () => {
      const jobId = await create(0)
      const [first] = await several.at(0).claimed('w1', WAIT)
      several.running(0).signal('SIGSTOP')
      const late = several.at(0).finish(first!, 'late')
      const beat = several.at(0).beat('w1', [first!])
      await several.at(1).send('POST', `/remote-jobs/${jobId}/reassign`)
      const [second] = await several.at(1).claimed('w2', WAIT)
      assert.deepEqual([second?.job_id, second?.attempt], [jobId, 2])
      // By then its looks at what has run out are late, too.
      await delay(LEASE_MS / 2)
      assert.deepEqual(await orders(2, 'w2', [second!]), ['continue'])
      assert.equal((await several.at(2).finish(second!, 'in time')).status, 200)
      several.running(0).signal('SIGCONT')
      assert.equal((await late).status, 409)
      assert.notEqual(((await beat).body['jobs'] as { order: string }[])[0]?.order, 'continue')
      assert.equal(await content(0, jobId), 'in time')
    })

    test('a crash of the database takes no attempt from its worker, and no job', async () => {
      const kept = await create(0)
      const [held] = await several.at(1).claimed('works on', WAIT)
      assert.equal(held?.job_id, kept)
      const given = several.at(2).claim('waits', WAIT)
      const crash = server.crash()
      const acknowledged: string[] = []
      for (let isUp = false, n = 0; !isUp || acknowledged.length < 3; n += 1) {
        void crash.then(() => (isUp = true))
        const { status, body, headers } = await several.at(n % 3).create(several.file)
        if (status === 200) acknowledged.push(String(body['job_id']))
        else assert.deepEqual([status, Number(headers.get('retry-after')) > 0], [503, true])
        await delay(50)
      }
      await until(async () => (await several.at(0).beat('works on', [held])).status === 200)
      assert.deepEqual(await orders(2, 'works on', [held]), ['continue'])
      assert.equal((await several.at(0).finish(held, 'through it')).status, 200)
      assert.equal(await content(1, kept), 'through it')
      // A call that waited may have got one meanwhile.
      const waited = await given.then(({ body }) => (body['jobs'] ?? []) as Claimed[])
      const got = [...waited]
      while (got.length < acknowledged.length)
        got.push(
          ...(await several.at(1).claimed('later', { ...WAIT, claim_id: `later ${got.length}` })),
        )
      assert.deepEqual(new Set(got.map(({ job_id: id }) => id)), new Set(acknowledged))
      for (const job of got) assert.equal((await several.at(2).finish(job, 'a text')).status, 200)
    })

    test('a full database takes no more, with a sentence, until it has room again', async (t) => {
      const disk = await mountDisk(6_000_000)
      if (disk === null) return t.skip(NO_MOUNT)
      t.after(async () => {
        await server.run(
          'ALTER TABLE morag.jobs SET TABLESPACE pg_default',
          'DROP TABLESPACE small',
        )
        await disk.release()
      })
      mkdirSync(path.join(disk.dir, 'table'))
      chmodSync(path.dirname(disk.dir), 0o755)
      if (process.getuid?.() === 0) await execa('chown', ['-R', 'postgres', disk.dir])
      await server.run(
        `CREATE TABLESPACE small LOCATION '${disk.dir}/table'`,
        'ALTER TABLE morag.jobs SET TABLESPACE small',
      )
      const jobIds = [await create(0)]
      const [held] = await several.at(0).claimed('w', WAIT)
      const filler = path.join(disk.dir, 'filler')
      await execa('dd', ['if=/dev/zero', `of=${filler}`, 'bs=4k'], { reject: false })
      const options = { task_options: { note: 'x'.repeat(20_000) } }
      const ask = async (n: number) => await several.at(n).create(several.file, options)
      let refused = await ask(0)
      for (let n = 1; refused.status === 200; n += 1) {
        jobIds.push(String(refused.body['job_id']))
        refused = await ask(n % 3)
      }
      assert.deepEqual([refused.status, refused.body['code']], [507, 'no_space'])
      assert.match(String(refused.body['detail']), /The database .* has no room left/)
      assert.deepEqual(await orders(1, 'w', [held!]), ['continue'])
      rmSync(filler)
      assert.equal((await several.at(2).finish(held!, 'a text')).status, 200)
      for (const n of [0, 1, 2]) jobIds.push(String((await ask(n)).body['job_id']))
      const all = new Set(await several.at(0).all())
      assert.deepEqual(
        jobIds.filter((jobId) => !all.has(jobId)),
        [],
      )
      for (const jobId of jobIds.slice(1))
        await several.at(0).send('POST', `/remote-jobs/${jobId}/cancel`)
    })

    test('what a newer version adds to jobs and news does not stop this one', async () => {
      const added = `jsonb_build_object('added_later', jsonb_build_object('by', 'a newer version'))`
      await server.run(
        `UPDATE morag.jobs SET record = (record::jsonb || ${added})::json WHERE job_id = '${await create(0)}'`,
        `SELECT pg_notify('morag', '{"from": "a newer version", "added_later": ["a"], "jobs": {}}')`,
        `SELECT pg_notify('morag', 'no JSON')`,
      )
      const [job] = await several.at(1).claimed('w', { ...WAIT, claim_id: 'the old one' })
      assert.equal((await several.at(2).finish(job!, 'a text')).status, 200)
      const given = several.at(2).claimed('w', { ...WAIT, claim_id: 'the next' })
      await until(async () => await waitsAt(2))
      const jobId = await create(1)
      const [next] = await given
      assert.equal(next?.job_id, jobId)
      assert.equal((await several.at(0).finish(next, 'a text')).status, 200)
    })

    test('coordinators that hear nothing any more find work all the same, within two seconds', async () => {
      line.swallows = true
      const given = several.at(2).claimed('listens', WAIT)
      await until(async () => await waitsAt(2))
      const from = performance.now()
      const jobId = await create(0)
      const [job] = await given
      assert.equal(job?.job_id, jobId)
      const tookMs = performance.now() - from
      assert.ok(tookMs < 5_000, `${tookMs} ms`)
      line.swallows = false
    })
  },
)
