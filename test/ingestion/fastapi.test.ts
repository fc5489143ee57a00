import assert from 'node:assert/strict'
import { createInterface } from 'node:readline'
import { after, before, describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { execa } from 'execa'
import { VERSIONS, type Version } from './strict-api.ts'
import { StrictMorag } from './strict-morag.ts'
import { createJob, NO_INGESTION, startRunning, until } from '../coordinator/running.ts'

/** FastAPI itself, with the routes of the original: what it refuses, and how, is what the stand-ins are held to. */
const SERVER = fileURLToPath(new URL('../original/server.py', import.meta.url))
const NEEDS = 'import fastapi, uvicorn, python_multipart'
const { failed } = await execa('python3', ['-c', NEEDS], { reject: false })
const skip = failed ? 'python3 with fastapi, uvicorn and python-multipart is not here' : false

interface Routes {
  ingestion: string
  conversion: string
  /** The field with the request; null: it has none. */
  field: string | null
  ingest: object
  convert: Record<string, string>
}

const CHAIN = { stages: ['chunker', 'fact-generator', 'ingestor'] }
const INGEST = { mode: 'ingest', source_type: 'file', webhook_config: { url: '' } }
const CONVERT = { mode: 'convert', source_type: 'file' }
const ROUTES: Record<Version, Routes> = {
  stages: {
    ingestion: '/api/v1/stages/chain',
    conversion: '/api/v1/stages/markdown-conversion/execute',
    field: 'request',
    ingest: CHAIN,
    convert: { config: '{"language": "de"}', return_content: 'true' },
  },
  process: {
    ingestion: '/api/v1/process',
    conversion: '/api/v1/process',
    field: 'request_data',
    ingest: INGEST,
    convert: { request_data: JSON.stringify(CONVERT) },
  },
  ingest: {
    ingestion: '/api/v1/ingest/file',
    conversion: '/process/file',
    field: 'request_data',
    ingest: { document_id: 'a' },
    convert: { content_type: 'document', options: '{}' },
  },
  'ingest-form': {
    ingestion: '/api/v1/ingest/file',
    conversion: '/process/file',
    field: null,
    ingest: {},
    convert: { content_type: 'document', options: '{}' },
  },
}

interface Request {
  method?: string
  path: string
  headers?: Record<string, string>
  body?: () => FormData | URLSearchParams | string
}

const file = (name: string, type: string, text = '# Talk'): [File, string] => [
  new File([text], name, { type }),
  name,
]

/** A form of text fields, and a file unless that is null. */
function form(
  fields: Record<string, string>,
  upload: [File, string] | null = file('talk.md', 'text/markdown'),
): () => FormData {
  return () => {
    const data = new FormData()
    for (const [name, value] of Object.entries(fields)) data.set(name, value)
    if (upload !== null) data.set('file', ...upload)
    return data
  }
}

/** What a client may get wrong, and what it may not. */
function requests(version: Version): Record<string, Request> {
  const { ingestion, conversion, field, ingest, convert } = ROUTES[version]
  const whole: Record<string, string> = field === null ? {} : { [field]: JSON.stringify(ingest) }
  const json = { 'content-type': 'application/json' }
  const at = (path: string, body: Request['body']): Request => ({
    method: 'POST',
    path,
    body: body!,
  })
  const uploads: [string, string][] = [
    ['talk.md', 'text/markdown'],
    ['talk.md', 'application/octet-stream'],
    ['talk.md', 'text/markdown; charset=utf-8'],
    ['talk.wav', 'audio/wav'],
    ['talk.wav', 'application/octet-stream'],
    ['talk.mp3', 'application/octet-stream'],
    ['talk.mkv', 'video/x-matroska'],
    ['talk.m4a', 'audio/mp4'],
    ['talk.flac', 'audio/flac'],
    ['talk.avi', 'application/octet-stream'],
    ['talk.mov', 'application/octet-stream'],
    ['talk.rtf', 'application/rtf'],
    ['talk.pdf', 'application/octet-stream'],
    ['talk.PDF', 'application/pdf'],
    ['talk.opus', 'audio/opus'],
    ['talk', 'text/plain'],
  ]
  return {
    'another path': { path: '/api/v1/nothing' },
    'another method': { path: ingestion, method: version === 'stages' ? 'GET' : 'DELETE' },
    'another method to convert': { path: conversion, method: 'PUT' },
    'a slash at the end': at(`${ingestion}/`, form(whole)),
    'a slash at the end to convert': at(`${conversion}/`, form(convert)),
    JSON: { ...at(ingestion, () => JSON.stringify(ingest)), headers: json },
    'JSON that is broken': { ...at(ingestion, () => '{'), headers: json },
    nothing: { path: ingestion, method: 'POST' },
    'nothing to convert': { path: conversion, method: 'POST' },
    'a form without a file': at(ingestion, form(whole, null)),
    'a form without a file to convert': at(conversion, form(convert, null)),
    'a text for a file': at(ingestion, form({ ...whole, file: 'talk.md' }, null)),
    'URL-encoded fields': at(ingestion, () => new URLSearchParams({ ...whole, file: 'x' })),
    'a whole form': at(ingestion, form(whole)),
    'a whole form to convert': at(conversion, form(convert)),
    'fields that are unknown': at(ingestion, form({ ...whole, language: 'de', databases: '[]' })),
    'a file alone': at(ingestion, form({})),
    'a file alone to convert': at(conversion, form({})),
    'a request that is no JSON': at(
      ingestion,
      form(field === null ? { metadata: 'x' } : { [field]: 'x' }),
    ),
    'a request that lacks a field': at(ingestion, form(field === null ? {} : { [field]: '{}' })),
    'options that are no JSON': at(conversion, form({ ...convert, config: 'x', options: 'x' })),
    ...Object.fromEntries(
      uploads.flatMap(([name, type]) => [
        [`${name} as ${type}`, at(ingestion, form(whole, file(name, type)))],
        [`${name} as ${type} to convert`, at(conversion, form(convert, file(name, type)))],
      ]),
    ),
    ...(version === 'stages' && {
      'an unknown stage': at('/api/v1/stages/no-such/execute', form({})),
      'stages that are unknown': at(ingestion, form({ request: '{"stages": ["x"]}' })),
      'a truth that is none': at(conversion, form({ ...convert, return_content: 'perhaps' })),
      'a truth that is 1': at(conversion, form({ ...convert, return_content: '1' })),
      'a removed route': at('/api/v1/process', form({ request_data: '{}' })),
      'a removed route by another method': { path: '/api/v1/process', method: 'DELETE' },
      'a route that is gone': at('/api/v1/ingest/file', form({})),
    }),
    ...(version === 'process' && {
      'no webhook': at(ingestion, form({ request_data: '{"mode":"ingest","source_type":"file"}' })),
      'another mode': at(ingestion, form({ request_data: '{"mode":"x","source_type":"file"}' })),
      'audio in mode process': at(
        conversion,
        form(
          { request_data: '{"mode":"process","source_type":"file"}' },
          file('talk.mp3', 'audio/mpeg'),
        ),
      ),
    }),
    ...(version === 'ingest-form' && {
      'a number that is none': at(ingestion, form({ chunk_size: 'many' })),
      'a number that is too small': at(ingestion, form({ chunk_size: '10' })),
      'an overlap that is too large': at(ingestion, form({ chunk_overlap: '1001' })),
      'a truth that is none': at(ingestion, form({ replace_existing: 'perhaps' })),
      'an id with a dot': at(ingestion, form({ document_id: 'a.b' })),
    }),
  }
}

interface Continued {
  steps: { state: string; answer: { chunks_processed: number } }[]
}

interface Problem {
  type: string
  loc: unknown[]
  msg: string
}

/** What a client goes by of an answer. */
async function answerOf(url: string, { method = 'GET', path, headers, body }: Request) {
  const init = { method, headers: headers ?? {}, redirect: 'manual' as const }
  const answer = await fetch(url + path, { ...init, ...(body && { body: body() }) })
  const text = await answer.text()
  const location = answer.headers.get('location')
  const said = (text.startsWith('{') ? JSON.parse(text) : {}) as Record<string, unknown>
  const { detail, message, error_message, success } = said
  const problems = Array.isArray(detail)
    ? (detail as Problem[]).map(({ type, loc, msg }) => ({ type, loc, msg }))
    : null
  const why = [detail, message, error_message].find((one) => typeof one === 'string') as string
  return {
    status: answer.status,
    success: success ?? null,
    problems,
    // Up to what is the library's own: a reader's message, the name of a model.
    why: answer.status === 200 && success !== false ? null : (why?.split(/[:\n]/)[0] ?? null),
    allow: answer.headers.get('allow'),
    location: location && new URL(location, url).pathname,
  }
}

for (const version of VERSIONS) {
  describe(`the stand-in of the version '${version}' answers as FastAPI`, { skip }, () => {
    const strict = new StrictMorag(version)
    let url = ''
    let stop = async (): Promise<void> => undefined

    before(async () => {
      await strict.start()
      const child = execa('python3', [SERVER, version], { reject: false, stderr: 'inherit' })
      stop = async () => {
        child.kill('SIGKILL')
        await child
      }
      const lines = createInterface({ input: child.stdout })
      url = await new Promise<string>((resolve, reject) => {
        lines.once('line', resolve)
        lines.once('close', () => reject(new Error('FastAPI did not start.')))
      })
    })
    after(async () => {
      strict.kill()
      await stop()
    })

    for (const [name, request] of Object.entries(requests(version))) {
      test(`to ${name}`, async () => {
        assert.deepEqual(await answerOf(strict.url, request), await answerOf(url, request))
      })
    }

    test('and takes what the coordinator sends: files to convert, and their texts', async (t) => {
      const ingestion = { ...NO_INGESTION, moragUrl: url, fallbackAfterMs: 30 }
      const running = await startRunning(t, { ingestion })
      for (const name of ['talk.wav', 'talk.mp3', 'film.mkv', 'minutes.pdf']) {
        const source_file_path = running.file(name, `the bytes of ${name}`)
        const content_type = { pdf: 'document', mkv: 'video' }[name.split('.')[1]!] ?? 'audio'
        const task_options = { language: 'de', chunk_size: 1000, replace_existing: true }
        const jobId = await createJob(running, { source_file_path, content_type, task_options })
        const detail = async () => (await running.ask('GET', `/remote-jobs/${jobId}`)).body
        await until(async () => {
          const { continuation: found } = (await detail()) as { continuation: Continued | null }
          return found?.steps[0]?.state === 'done'
        })
        const { body } = await running.ask('GET', `/remote-jobs/${jobId}/result`)
        assert.equal(body['content'], `the bytes of ${name}`)
        const { continuation } = (await detail()) as { continuation: Continued }
        assert.equal(continuation.steps[0]!.answer.chunks_processed, 2)
        assert.equal((await detail())['retry_count'], 0)
      }
    })

    test('about its routes', async () => {
      const pathsOf = async (base: string): Promise<string[]> => {
        const described = (await (await fetch(`${base}/openapi.json`)).json()) as { paths: object }
        return Object.keys(described.paths).sort()
      }
      assert.deepEqual(await pathsOf(strict.url), await pathsOf(url))
    })
  })
}
