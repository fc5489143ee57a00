import assert from 'node:assert/strict'
import { mkdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { after, before, describe, test } from 'node:test'
import { execa } from 'execa'
import { Webhook } from 'standardwebhooks'
import { startCoordinator, type RunningCoordinator } from '../scripts/processes.ts'
import { installClient } from './client/package.ts'
import { testAdminPrograms } from './clients/admin-programs.ts'
import { startFlakyFront } from './clients/flaky-front.ts'
import { cannotRun, Programs } from './clients/programs.ts'
import { ROOT } from './clients/snippets.ts'
import { Worker } from './clients/worker.ts'
import { tempFolder } from './shared/temp-folder.ts'

const KEY = 'the-key-of-the-coordinator'
/** A secret that is the coordinator's, and one that a client brings. */
const ITS_SECRET = `whsec_${Buffer.alloc(32, 1).toString('base64')}`
const OWN_SECRET = `whsec_${Buffer.alloc(32, 2).toString('base64')}`

const folder = tempFolder()
const programs = new Programs(folder)
await installClient(folder)
const skipped = new Set<string>()
const reasons = { py: await cannotRun('py'), sh: await cannotRun('sh'), mts: false as const }

/** Why one of these programs cannot run here; false: all can. */
function unless(...names: string[]): string | false {
  const all = names.map((name) => reasons[path.extname(name).slice(1) as keyof typeof reasons])
  const reason = all.find((one) => one !== false) ?? false
  if (reason !== false) for (const name of names) skipped.add(name)
  return reason
}

const MARKDOWN = /^# Audio Transcription: (?<title>.*)\n\n\[00:00\] (?<text>.*)$/
const SRT = /^1\n00:00:00,000 --> 00:00:02,500\n(?<text>.*)$/
/** What curl says of an answer after which it tries again. */
const CURL_SAID = 'curl: (22) The requested URL returned error: 503'

describe('programs for client authors', { concurrency: true }, () => {
  let coordinator: RunningCoordinator
  let worker: Worker
  const mediaRoot = path.join(folder, 'media')
  const stops: (() => unknown)[] = []
  const suite = { after: (stop: () => unknown) => void stops.push(stop) }

  before(async () => {
    mkdirSync(mediaRoot)
    coordinator = await startCoordinator(path.join(folder, 'data-1'), mediaRoot, {
      args: ['--webhook-allow', '127.0.0.1'],
      env: { MORAG_API_KEY: KEY, MORAG_WEBHOOK_SECRET: ITS_SECRET },
    })
    worker = new Worker(coordinator.url, KEY)
  })
  after(async () => {
    for (const stop of stops) await stop()
    coordinator.signal('SIGKILL')
    await coordinator.ended
  })

  async function ask(route: string): Promise<Record<string, unknown>> {
    const headers = { authorization: `Bearer ${KEY}` }
    const answer = await fetch(`${coordinator.url}/api/v1${route}`, { headers })
    return (await answer.json()) as Record<string, unknown>
  }

  /** A job as the coordinator has it. */
  async function jobOf(id: string | undefined) {
    const { source, ...job } = await ask(`/remote-jobs/${id}`)
    return { ...job, filename: (source as { filename: string }).filename } as Record<
      string,
      unknown
    >
  }

  for (const [client, hook, secret, expected, warning] of [
    ['transcribe.py', 'hook.py', OWN_SECRET, MARKDOWN, ''],
    ['transcribe.mts', 'hook.mts', OWN_SECRET, MARKDOWN, ''],
    ['transcribe.sh', 'hook.py', OWN_SECRET, SRT, CURL_SAID],
  ] as const) {
    const title = `${client} has a file transcribed once though an answer is lost, and ${hook} is told`
    test(title, { skip: unless(client, hook) }, async () => {
      const front = await startFlakyFront(suite, coordinator.url, (id) => void worker.deliver(id))
      const receiver = await programs.serve(hook, { PORT: '0', WEBHOOK_SECRET: secret })
      stops.push(receiver.stop)
      const name = `Ein Gespräch, Teil 1; von ${client}.mp3`
      const said = `The words of ${client}.`
      const env = {
        MORAG_API_BASE_URL: front.url,
        MORAG_API_KEY: KEY,
        WEBHOOK_URL: receiver.first,
        ...(secret === OWN_SECRET && { WEBHOOK_SECRET: secret }),
      }
      const { stdout, stderr } = await programs.start(client, [programs.write(name, said)], env)
      assert.equal(stderr, warning)
      const found = expected.exec(stdout.trimEnd())?.groups ?? assert.fail(stdout)
      assert.equal(found['text'], said)
      assert.equal(found['title'] ?? name, name)

      const { jobs } = (await ask('/remote-jobs')) as { jobs: { job_id: string }[] }
      const all = await Promise.all(jobs.map(async ({ job_id: id }) => await jobOf(id)))
      const mine = all.filter(({ filename }) => filename === name)
      assert.equal(mine.length, 1)
      assert.deepEqual([...front.tries.values()], [2])
      assert.equal(await receiver.next(), `job.completed ${String(mine[0]!['job_id'])}`)
    })
  }

  for (const [client, expected] of [
    ['transcript.mts', SRT],
    ['steps.mts', /^0 (?<text>.*)$/],
    ['along.mts', /^(?<text>.*)$/],
  ] as const) {
    test(`${client} has a file transcribed by the package`, async () => {
      const name = `Of the package, by ${client}.mp3`
      const said = `The words of ${client}.`
      const env = { MORAG_API_BASE_URL: coordinator.url, MORAG_API_KEY: KEY }
      const running = programs.start(client, [programs.write(name, said)], env)
      await worker.deliver(await jobNamed(name))
      assert.equal(expected.exec((await running).stdout.trimEnd())?.groups?.['text'], said)
    })
  }

  /** The id of the job of a file, once it is there. */
  async function jobNamed(name: string): Promise<string> {
    for (;;) {
      const route = `/remote-jobs?text=${encodeURIComponent(name)}`
      const [job] = (await ask(route))['jobs'] as { job_id: string }[]
      if (job !== undefined) return job.job_id
    }
  }

  for (const client of ['jobs.py', 'jobs.mts', 'jobs.sh']) {
    const title = `${client} makes a job of a file that it sends and of one that is there`
    test(title, { skip: unless(client) }, async () => {
      const there = path.join(mediaRoot, `${client}.mp3`)
      writeFileSync(there, 'speech')
      const name = programs.write(`Gesendet, von ${client}.mp3`, 'more speech')
      const env = { MORAG_API_BASE_URL: coordinator.url, MORAG_API_KEY: KEY }
      const { stdout, stderr } = await programs.start(client, [name, there], env)
      assert.equal(stderr, '')
      const ids = [...stdout.matchAll(/"job_id":"([^"]+)"/g)].map(([, id]) => id!)
      const [sent, named] = [await jobOf(ids[0]), await jobOf(ids[1])]
      assert.equal(sent['filename'], name)
      assert.deepEqual(sent['task_options'], { language: 'en' })
      assert.equal(named['filename'], `${client}.mp3`)
      assert.equal(named['ingestion_task_id'], 'task-123')
    })
  }

  for (const hook of ['hook.py', 'hook.mts']) {
    const title = `${hook} believes nobody who cannot sign, nor what is old`
    test(title, { skip: unless(hook) }, async () => {
      const receiver = await programs.serve(hook, { PORT: '0', WEBHOOK_SECRET: OWN_SECRET })
      stops.push(receiver.stop)
      const body = JSON.stringify({ type: 'job.completed', task_id: 'task-123' })
      const send = async (secret: string, sentAt: Date, signed = body): Promise<number> => {
        const headers = {
          'webhook-id': 'msg-1',
          'webhook-timestamp': String(Math.floor(sentAt.getTime() / 1000)),
          'webhook-signature': new Webhook(secret).sign('msg-1', sentAt, signed),
        }
        return (await fetch(receiver.first, { method: 'POST', headers, body })).status
      }
      const now = new Date()
      assert.equal(await send(ITS_SECRET, now), 401)
      assert.equal(await send(OWN_SECRET, now, `${body} `), 401)
      assert.equal(await send(OWN_SECRET, new Date(now.getTime() - 3_600_000)), 401)
      assert.equal((await fetch(receiver.first, { method: 'POST', body })).status, 401)
      assert.equal(await send(OWN_SECRET, now), 204)
      // The first of all that it says.
      assert.equal(await receiver.next(), 'job.completed task-123')
    })
  }

  test('those in TypeScript have no fault in their types', async () => {
    const files = programs.names.filter((name) => name.endsWith('.mts'))
    const options = ['--noEmit', '--strict', '--module', 'nodenext', '--target', 'es2023']
    const args = [...options, '--types', 'node', '--skipLibCheck', '--erasableSyntaxOnly', ...files]
    const { all } = await execa('tsc', args, {
      cwd: folder,
      preferLocal: true,
      localDir: ROOT,
      reject: false,
      all: true,
    })
    assert.equal(all, '')
  })

  const pair = 'upload.sh and worker.py do their work together, with no key'
  test(pair, { skip: unless('upload.sh', 'worker.py') }, async () => {
    const own = await startCoordinator(path.join(folder, 'data-2'), mediaRoot)
    const env = { MORAG_API_BASE_URL: own.url }
    const taking = programs.start('worker.py', [], env)
    stops.push(async () => {
      own.signal('SIGKILL')
      taking.kill('SIGKILL')
      await taking.catch(() => undefined)
      await own.ended
    })
    const { stdout } = await programs.start(
      'upload.sh',
      [programs.write('a talk.mp3', '6 here')],
      env,
    )
    assert.equal(stdout, '6 bytes (replace this with your transcription)')
  })
})

testAdminPrograms(programs, unless('in-front.sh', 'beside.sh'))

/** What they need is not the project's: engines/front-door.test.ts installs it and runs them. */
const ELSEWHERE = new Set(['openai_client.py', 'asr.sh'])

test('every program of every page has been run', () => {
  assert.deepEqual(
    programs.left.filter((name) => !skipped.has(name) && !ELSEWHERE.has(name)),
    [],
  )
  assert.ok(programs.names.length >= 12, String(programs.names))
})
