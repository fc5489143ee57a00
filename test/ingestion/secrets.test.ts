import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { test, type TestContext } from 'node:test'
import { Webhook } from 'standardwebhooks'
import { LeaseTokens } from '../../coordinator/leases/lease-tokens.ts'
import { FileSecrets } from '../../coordinator/storage/secrets.ts'
import { startCoordinator } from '../../scripts/processes.ts'
import { CLIPS } from '../agent/fixtures.ts'
import { startAgent } from '../conversion-set-up.ts'
import { tempFolder } from '../shared/temp-folder.ts'
import { startMorag } from './morag.ts'
import { processForm, ProcessClient, stepIs } from './process-client.ts'
import { startReceiver } from './receiver.ts'

const API_KEY = 'key-of-the-coordinator-5d1f'
const MORAG_KEY = 'key-of-the-server-8c2a'
const WEBHOOK_SECRET = `whsec_${Buffer.alloc(32, 'general').toString('base64')}`
const OWN_SECRET = `whsec_${Buffer.alloc(32, 'particular').toString('base64')}`
const AUTH_TOKEN = 'token-of-the-receiver-77b0'

/** What nobody may read anywhere but where it belongs, by its name. */
const SECRETS: Record<string, string> = {
  'the coordinator’s key': API_KEY,
  'the MoRAG server’s key': MORAG_KEY,
  'the webhook secret': WEBHOOK_SECRET.slice('whsec_'.length),
  'the secret of a request': OWN_SECRET.slice('whsec_'.length),
  'the token for the receiver': AUTH_TOKEN,
  'the query of the webhook': 'in-the-query',
  'a password in the metadata': 'password-in-the-metadata',
  'a key in the options': 'key-in-the-options',
}
/** What is said, in the recording that the agent hears and in the texts that are handed in by hand. */
const SAID = { 'what was said': 'ask not what', 'what was written': 'a sentence by hand' }

function asked(webhook: string, different: object = {}): object {
  return {
    mode: 'ingest',
    content_type: 'audio',
    webhook_config: { url: webhook, auth_token: AUTH_TOKEN, secret: OWN_SECRET, ...different },
    metadata: { remote: true, password: 'password-in-the-metadata' },
    processing_options: { language: 'en', api_key: 'key-in-the-options' },
  }
}

/** Everything that goes on between all the parts, once, with failures on the way; what each of them has let out. */
async function wholeRun(t: TestContext) {
  const folder = tempFolder()
  const dataDir = path.join(folder, 'data')
  const file = (name: string, content: string): string => {
    writeFileSync(path.join(folder, name), content)
    return path.join(folder, name)
  }
  const receiver = await startReceiver(t)
  // As servers do that show what they have got when something is wrong.
  const got = `Cannot POST /hook?secret=in-the-query with Authorization: Bearer ${AUTH_TOKEN}`
  receiver.answer = { status: 500, body: got }
  const morag = await startMorag(t, folder, { apiKey: MORAG_KEY })
  const coordinator = await startCoordinator(dataDir, folder, {
    args: [
      `--morag-url=${morag.url}`,
      `--morag-api-key-file=${file('morag-key', MORAG_KEY)}`,
      `--webhook-secret-file=${file('webhook-secret', WEBHOOK_SECRET)}`,
      '--webhook-allow=127.0.0.1',
      '--log-level=debug',
    ],
    env: { MORAG_API_KEY: API_KEY },
  })
  t.after(() => coordinator.signal('SIGKILL'))
  const client = new ProcessClient(coordinator.url, API_KEY)
  const listings: string[] = []
  const forWorkers: string[] = []
  const jobIds: string[] = []
  const look = async (): Promise<void> => {
    const routes = jobIds.flatMap((id) => [`/remote-jobs/${id}`, `/remote-jobs/${id}/status`])
    for (const route of ['/remote-jobs/', '/workers', ...routes])
      listings.push(await client.ask('GET', route))
  }

  // One by the agent, with a receiver that fails at first.
  const spoken = { filename: 'talk.wav', content: readFileSync(CLIPS.jfk.file) }
  jobIds.push((await client.process(processForm(asked(receiver.url), spoken))).job_id)
  const key = ['--api-key-file', file('key', API_KEY)]
  const agent = startAgent(coordinator.url, folder, 'gpu-1', ...key, '--log-level', 'debug')
  t.after(() => agent.signal('SIGKILL'))
  await stepIs(coordinator, jobIds[0]!, 'webhook', 'pending')
  await look()
  receiver.answer = { status: 204 }
  agent.signal('SIGTERM')
  assert.equal((await agent.ended).exitCode, 0)

  // One by a worker with a lease, while the MoRAG server is away.
  const written = { filename: 'talk.wav', content: 'RIFF' }
  const target = asked(receiver.url, { secret: null })
  jobIds.push((await client.process(processForm(target, written))).job_id)
  await look()
  const claim = { worker_id: 'by-hand', content_types: ['audio'], claim_id: 'one' }
  forWorkers.push(await client.ask('POST', '/remote-jobs/claim', claim))
  const [job] = (JSON.parse(forWorkers[0]!) as { jobs: { lease_token: string }[] }).jobs
  const { lease_token } = job!
  const beat = { job_id: jobIds[1], lease_token, stage: 'transcribing', progress: 0.5 }
  const news = { state: 'running', version: '1', slots: 1, jobs: [beat] }
  forWorkers.push(await client.ask('POST', '/workers/by-hand/heartbeat', news))
  await look()
  await morag.stop()
  const said = { success: true, content: 'This is a sentence by hand.', metadata: {} }
  await client.ask('PUT', `/remote-jobs/${jobIds[1]}/result`, { ...said, lease_token })
  await stepIs(coordinator, jobIds[1]!, 'ingest', 'pending')
  await look()
  await morag.start()

  // One by a worker of the original, and with a few mistakes.
  jobIds.push((await client.process(processForm(asked(receiver.url), written))).job_id)
  const query = 'worker_id=original&content_types=audio&max_jobs=1'
  forWorkers.push(await client.ask('GET', `/remote-jobs/poll?${query}`))
  const { source_file_url: url } = JSON.parse(forWorkers[2]!) as { source_file_url: string }
  const download = url.slice('/api/v1'.length)
  assert.equal(await client.ask('GET', download), 'RIFF')
  const wrong = { ...said, lease_token }
  await assert.rejects(client.ask('PUT', `/remote-jobs/${jobIds[2]}/result`, wrong), /409/)
  await assert.rejects(client.ask('GET', download.replace('token=1', 'token=2')), /403/)
  await assert.rejects(new ProcessClient(coordinator.url).ask('GET', download), /401/)
  await client.ask('PUT', `/remote-jobs/${jobIds[2]}/result`, said)

  for (const jobId of jobIds) {
    await stepIs(coordinator, jobId, 'webhook', 'done')
    await stepIs(coordinator, jobId, 'ingest', 'done')
  }
  await look()
  coordinator.signal('SIGTERM')
  assert.equal((await coordinator.ended).exitCode, 0)
  const tokens = await LeaseTokens.load(new FileSecrets(dataDir))
  const jobs = jobIds.map((jobId) => {
    const stored = readFileSync(path.join(dataDir, 'completed', `${jobId}.json`), 'utf8')
    const { created_at } = JSON.parse(stored) as { created_at: string }
    return { jobId, createdAt: Date.parse(created_at) }
  })
  return { folder, receiver, morag, coordinator, agent, listings, forWorkers, jobIds, jobs, tokens }
}

/** The names of those that are found in a text. */
function found(text: string, secrets: Record<string, string>): string[] {
  return Object.entries(secrets)
    .filter(([, secret]) => text.toLowerCase().includes(secret.toLowerCase()))
    .map(([name]) => name)
}

test(
  'every secret is used, and found in no log, no listing and nothing that workers get over a whole run',
  { timeout: 120_000 },
  async (t) => {
    const run = await wholeRun(t)
    const { jobIds, jobs, tokens, coordinator, agent, listings, forWorkers } = run
    const leases = Object.fromEntries(
      jobs.map((job, i) => [`lease ${i}`, tokens.issue('lease', job, 1)]),
    )
    const downloads = Object.fromEntries(
      jobs.map((job, i) => [`download ${i}`, tokens.issue('download', job, 1)]),
    )
    const all = { ...SECRETS, ...SAID, ...leases, ...downloads }
    assert.deepEqual(found(coordinator.lines.join('\n'), all), [])
    assert.deepEqual(found(agent.lines.join('\n'), all), [])
    assert.deepEqual(found(listings.join('\n'), all), [])
    assert.deepEqual(found(forWorkers.join('\n'), all), ['lease 1', 'download 2'])
    for (const one of [coordinator.lines, agent.lines]) assert.ok(one.length > 5)

    const { deliveries } = run.receiver
    for (const { headers, raw, body } of deliveries) {
      assert.equal(headers.authorization, `Bearer ${AUTH_TOKEN}`)
      const secret = body['task_id'] === jobIds[1] ? WEBHOOK_SECRET : OWN_SECRET
      new Webhook(secret).verify(raw, headers as Record<string, string>)
    }
    assert.deepEqual(found(deliveries.map(({ raw }) => raw).join('\n'), SECRETS), [])
    const ingested = run.morag.seen().filter(({ outcome }) => outcome === 'ingested')
    assert.equal(ingested.length, 3)
    const texts = ingested.map(({ form }) => form?.text).join('\n')
    assert.deepEqual(found(texts, SAID), Object.keys(SAID))
  },
)
