import assert from 'node:assert/strict'
import { describe, test, type TestContext } from 'node:test'
import { NO_INGESTION, startRunning, until, type Running } from '../coordinator/running.ts'
import { processForm } from './process-client.ts'
import { quietPort } from './quiet-port.ts'
import { startReceiver, type Receiver } from './receiver.ts'
import { VERSIONS, type Version } from './strict-api.ts'
import { startStrict, type Point, type StrictMorag } from './strict-morag.ts'

interface Scene {
  server: StrictMorag
  running: Running
  receiver: Receiver
}

async function setUp(
  t: TestContext,
  version: Version,
  different: Partial<typeof NO_INGESTION> = {},
): Promise<Scene> {
  const server = await startStrict(t, version)
  const port = await quietPort()
  const ingestion = {
    ...NO_INGESTION,
    moragUrl: server.url,
    publicUrl: `http://127.0.0.1:${port}`,
    webhookAllow: ['127.0.0.1'],
    ...different,
  }
  const running = await startRunning(t, { port, ingestion })
  return { server, running, receiver: await startReceiver(t) }
}

/** As the document's client example has it, with all that it may ask for beside. */
function asked(receiver: Receiver): object {
  return {
    mode: 'ingest',
    source_type: 'file',
    content_type: 'audio',
    document_id: 'minutes-7',
    replace_existing: true,
    webhook_config: { url: receiver.url },
    metadata: { remote: true, course: 'history' },
    processing_options: { language: 'de', chunk_size: 1000, chunk_overlap: 100 },
    chunking_strategy: 'sentence',
    database_config: {
      qdrant_url: 'http://qdrant.example:6333',
      qdrant_api_key: 'key-of-the-index',
      collection_name: 'lectures',
    },
  }
}

const TEXT =
  '# Audio Transcription: audio.mp3\n\n## Detailed Transcript\n\n[00:00][Speaker_00] Hello.\n'
const READ = TEXT.replace('[00:00][Speaker_00]', '[00:00:00][SPEAKER_00]')

/** A client's request and a worker of the original that does it; what the worker was told. */
async function jobDone(
  { running, receiver }: Scene,
  wanted = asked(receiver),
): Promise<{ jobId: string; told: string }> {
  const { headers, body } = processForm(wanted, { filename: 'audio.mp3', content: 'ID3' })
  const answer = await running.ask('POST', '/process', { headers, raw: body })
  assert.equal(answer.status, 200, answer.text)
  const told = await running.ask(
    'GET',
    '/remote-jobs/poll?worker_id=w&content_types=audio&max_jobs=1',
  )
  const jobId = String(told.body['job_id'])
  const metadata = {
    duration: 3.5,
    speakers: ['Speaker_00'],
    segments: [{ start: 0, end: 1, text: 'Hello.' }],
  }
  const json = { success: true, content: TEXT, metadata, processing_time: 1.5 }
  const { text } = await running.ask('PUT', `/remote-jobs/${jobId}/result`, { json })
  assert.deepEqual(JSON.parse(text), { status: 'completed', ingestion_continued: true })
  return { jobId, told: told.text }
}

interface Step {
  step: string
  state: string
  last_error: string | null
  task: object | null
  answer: Record<string, unknown> | null
}

async function ingestOf(running: Running, jobId: string): Promise<Step> {
  const { body } = await running.ask('GET', `/remote-jobs/${jobId}`)
  const { steps } = body['continuation'] as { steps: Step[] }
  return steps.find(({ step }) => step === 'ingest')!
}

async function ingested(running: Running, jobId: string): Promise<Step> {
  await until(async () => (await ingestOf(running, jobId)).state === 'done')
  return await ingestOf(running, jobId)
}

/** The options as each version has them. */
const OPTIONS: Record<Version, object> = {
  stages: {
    chunker: { chunk_size: 1000, overlap: 100, chunk_strategy: 'sentence' },
    'fact-generator': { language: 'de' },
    ingestor: {
      databases: ['qdrant'],
      collection_name: 'lectures',
      qdrant_config: {
        host: 'http://qdrant.example:6333',
        api_key: 'key-of-the-index',
        collection_name: 'lectures',
      },
      overwrite_existing: true,
    },
  },
  process: {
    language: 'de',
    chunking_strategy: 'sentence',
    chunk_size: 1000,
    chunk_overlap: 100,
    database_config: {
      qdrant_url: 'http://qdrant.example:6333',
      qdrant_api_key: 'key-of-the-index',
      collection_name: 'lectures',
    },
  },
  ...(() => {
    const older = {
      language: 'de',
      chunking_strategy: 'sentence',
      chunk_size: 1000,
      chunk_overlap: 100,
      databases: [
        {
          type: 'qdrant',
          hostname: 'http://qdrant.example:6333',
          password: 'key-of-the-index',
          database_name: 'lectures',
        },
      ],
    }
    return { ingest: older, 'ingest-form': older }
  })(),
}

for (const version of VERSIONS) {
  describe(`a MoRAG server of the version '${version}'`, { concurrency: true }, () => {
    test('ingests the text of the client example once, with all that was asked for', async (t) => {
      const scene = await setUp(t, version)
      const { server, running, receiver } = scene
      const { jobId, told } = await jobDone(scene)
      const { answer } = await ingested(running, jobId)
      const [given, ...more] = server.documents
      assert.deepEqual(more, [])
      assert.deepEqual(
        [given!.filename, given!.text, given!.documentId],
        ['audio.md', READ, 'minutes-7'],
      )
      assert.deepEqual(given!.options, OPTIONS[version])
      const text = (value: unknown): unknown =>
        version === 'stages' && typeof value === 'object'
          ? JSON.stringify(value)
          : version === 'stages'
            ? String(value)
            : value
      const expected = {
        source_type: 'audio',
        source_path: 'audio.mp3',
        processing_time: 1.5,
        remote_processing: true,
        remote_job_id: jobId,
        duration: 3.5,
        course: 'history',
      }
      for (const [key, value] of Object.entries(expected))
        assert.deepEqual(given!.metadata[key], text(value), key)
      assert.equal(given!.metadata['segments'], undefined)
      assert.equal(given!.replaces, version !== 'stages')
      assert.deepEqual([answer?.['api'], answer?.['chunks_processed']], [version.split('-')[0], 2])
      const { body } = await receiver.delivery(0)
      assert.equal(body['status'], 'SUCCESS')
      assert.equal(server.requests.filter((line) => / 4\d\d$/.test(line)).length, 0)
      // What is secret stays here.
      const { text: detail } = await running.ask('GET', `/remote-jobs/${jobId}`)
      for (const shown of [told, detail, ...running.logged])
        assert.ok(!shown.includes('key-of-the-index'), shown)
    })

    const points: Point[] = ['asked', 'taken', 'ingested', 'called back']
    for (const point of points) {
      test(`that is killed when it has ${point} ends with the text ingested once`, async (t) => {
        const scene = await setUp(t, version)
        const { server, running } = scene
        let isKilled = false
        server.at = (now) => {
          if (now !== point || isKilled) return
          isKilled = true
          server.kill()
        }
        const { jobId } = await jobDone(scene)
        await until(() => isKilled)
        await server.start()
        await ingested(running, jobId)
        assert.deepEqual(
          server.documents.map(({ text }) => text),
          [READ],
        )
      })
    }

    test('gets the text in chunks where that is asked for', async (t) => {
      const scene = await setUp(t, version)
      const { server, running, receiver } = scene
      const wanted = { ...asked(receiver), processing_options: { ingest_as: 'chunks' } }
      const { jobId } = await jobDone(scene, wanted)
      await ingested(running, jobId)
      const chunks = '# Part 1 [0]\n\n[00:00:00] Hello.\n'
      assert.deepEqual(
        server.documents.map(({ text }) => text),
        [TEXT.replace('[00:00][Speaker_00] Hello.\n', chunks)],
      )
    })

    test('that takes its time is waited for, and not asked again', async (t) => {
      const scene = await setUp(t, version)
      const { server, running } = scene
      let release = (): void => undefined
      const held = new Promise<void>((resolve) => (release = resolve))
      let isHeld = false
      server.at = async (point) => {
        if (point !== 'ingested') return
        isHeld = true
        await held
      }
      const { jobId } = await jobDone(scene)
      await until(() => isHeld)
      assert.equal((await ingestOf(running, jobId)).state, 'pending')
      release()
      await ingested(running, jobId)
      assert.equal(server.requests.filter((line) => line.startsWith('POST')).length, 1)
    })

    test('that fails says why, and has the text when it does not any more', async (t) => {
      const scene = await setUp(t, version)
      const { server, running } = scene
      server.failing = 'Qdrant initialization failed'
      const { jobId } = await jobDone(scene)
      await until(async () => (await ingestOf(running, jobId)).last_error !== null)
      assert.match(String((await ingestOf(running, jobId)).last_error), /MoRAG server .*failed/)
      server.failing = null
      await ingested(running, jobId)
      assert.equal(server.documents.length, 1)
    })

    test('whose call back is lost is asked how it stands, and not given the text again', async (t) => {
      const scene = await setUp(t, version)
      const { server, running } = scene
      server.callsBack = false
      const { jobId } = await jobDone(scene)
      const { answer } = await ingested(running, jobId)
      assert.equal(answer?.['chunks_processed'], 2)
      assert.deepEqual(answer?.['databases_used'], ['qdrant'])
      assert.equal(server.requests.filter((line) => line.startsWith('POST')).length, 1)
    })

    test('that describes nothing is found out by trying', async (t) => {
      const scene = await setUp(t, version)
      const { server, running } = scene
      server.isDescribed = false
      const { jobId } = await jobDone(scene)
      await ingested(running, jobId)
      const earlier = server.requests.length
      const second = await jobDone(scene, { ...asked(scene.receiver), document_id: 'minutes-8' })
      await ingested(running, second.jobId)
      const posts = server.requests.slice(earlier).filter((line) => line.startsWith('POST'))
      assert.equal(posts.length, 1)
    })
  })
}

describe('a MoRAG server that is upgraded', () => {
  test('while jobs wait gets their texts by its new API', async (t) => {
    const scene = await setUp(t, 'process')
    const { server, running } = scene
    const first = await jobDone(scene)
    await ingested(running, first.jobId)
    server.version = 'stages'
    const second = await jobDone(scene, { ...asked(scene.receiver), document_id: 'minutes-8' })
    await ingested(running, second.jobId)
    assert.ok(server.requests.includes('POST /api/v1/process 410'))
    assert.deepEqual(
      server.documents.map(({ version }) => version),
      // Its text is the first one's: the stage ingestor passes over what it has.
      ['process'],
    )
  })

  test('while it works on a text gets it again by its new API', async (t) => {
    const scene = await setUp(t, 'ingest')
    const { server, running } = scene
    server.at = (point) => {
      if (point !== 'taken') return
      server.kill()
      server.version = 'stages'
    }
    const { jobId } = await jobDone(scene)
    await until(() => server.version === 'stages')
    server.at = () => undefined
    await server.start()
    const { answer } = await ingested(running, jobId)
    assert.equal(answer?.['api'], 'stages')
    assert.equal(server.documents.length, 1)
  })

  test('is told apart from one that a setting does not fit', async (t) => {
    const scene = await setUp(t, 'stages', { moragApi: 'process' })
    const { running } = scene
    const { jobId } = await jobDone(scene)
    await until(async () => (await ingestOf(running, jobId)).last_error !== null)
    const { last_error: error } = await ingestOf(running, jobId)
    assert.match(
      String(error),
      /has no POST \/api\/v1\/process: --morag-api process does not fit it/,
    )
  })
})

test('a text that is not to be stored is not ingested', async (t) => {
  const scene = await setUp(t, 'process')
  const { running, server, receiver } = scene
  const { headers, body } = processForm(
    { ...asked(receiver), store_in_vector_db: false },
    { filename: 'audio.mp3', content: 'ID3' },
  )
  await running.ask('POST', '/process', { headers, raw: body })
  const told = await running.ask(
    'GET',
    '/remote-jobs/poll?worker_id=w&content_types=audio&max_jobs=1',
  )
  const jobId = String(told.body['job_id'])
  await running.ask('PUT', `/remote-jobs/${jobId}/result`, {
    json: { success: true, content: TEXT },
  })
  await receiver.delivery(0)
  assert.deepEqual(server.requests, [])
})

test('only the server that was given the address can call back', async (t) => {
  const scene = await setUp(t, 'process')
  const { server, running } = scene
  server.callsBack = false
  const { jobId } = await jobDone(scene)
  await ingested(running, jobId)
  const wrong = await running.ask('POST', `/ingestion/callbacks/${jobId}/${'x'.repeat(43)}`, {
    json: { status: 'SUCCESS' },
  })
  assert.equal(wrong.status, 404)
  const right = new URL(server.documents[0]!.webhookUrl!).pathname.slice('/api/v1'.length)
  const late = await running.ask('POST', right, { json: { status: 'FAILURE', task_id: 'x' } })
  assert.deepEqual([late.status, late.text], [200, '{"status":"heard"}'])
})
