import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { z } from 'zod'
import { AppError, type Problem } from '../../shared/errors.ts'
import { toWire } from '../../shared/keys.ts'
import { parseWire } from '../../shared/parse-wire.ts'
import {
  claimRequest,
  cleanupRequest,
  createRequest,
  heartbeatRequest,
  listQuery,
  pollQuery,
  reassignRequest,
  resultRequest,
  uploadFields,
} from '../../shared/wire.ts'

function refused(schema: z.ZodType, value: unknown, where: 'body' | 'query' = 'body'): AppError {
  try {
    parseWire(schema, value, where)
  } catch (error) {
    assert.ok(error instanceof AppError && error.code === 'invalid')
    return error
  }
  assert.fail('it was taken')
}

function problemsOf(...args: Parameters<typeof refused>): readonly Problem[] {
  return refused(...args).problems!
}

const CREATE = { source_file_path: '/m/a.mp3', content_type: 'audio', ingestion_task_id: 't' }

describe('a request that does not fit', () => {
  test('is refused with every problem: where, what, and the machine’s word for it', () => {
    assert.deepEqual(problemsOf(createRequest, { content_type: 5, task_options: {} }), [
      { loc: ['body', 'source_file_path'], msg: 'Field required', type: 'missing' },
      {
        loc: ['body', 'content_type'],
        msg: 'Invalid input: expected string, received number',
        type: 'invalid_type',
      },
      { loc: ['body', 'ingestion_task_id'], msg: 'Field required', type: 'missing' },
    ])
  })

  test('is refused with one sentence that names them all', () => {
    const { message } = refused(createRequest, { content_type: 'audio' })
    assert.equal(
      message,
      'body.source_file_path: Field required; body.ingestion_task_id: Field required',
    )
  })

  test('in a list says at which place', () => {
    const jobs = [{ job_id: 'a', lease_token: 't', stage: 's', progress: 2 }, { job_id: 'b' }]
    const beat = { state: 'idle', version: '1', slots: 1, jobs }
    const problems = problemsOf(heartbeatRequest, beat)
    assert.deepEqual(problems[0]?.loc, ['body', 'jobs', 0, 'progress'])
    assert.deepEqual(
      problems.filter(({ type }) => type === 'missing').map(({ loc }) => loc),
      [
        ['body', 'jobs', 1, 'lease_token'],
        ['body', 'jobs', 1, 'stage'],
        ['body', 'jobs', 1, 'progress'],
      ],
    )
  })

  test('in the query says so', () => {
    assert.deepEqual(
      problemsOf(pollQuery, { content_types: 'audio' }, 'query').map(({ loc, type }) => [
        loc,
        type,
      ]),
      [[['query', 'worker_id'], 'missing']],
    )
    const [problem] = problemsOf(
      pollQuery,
      { worker_id: 'w', content_types: 'a', max_jobs: 'x' },
      'query',
    )
    assert.deepEqual(problem?.loc, ['query', 'max_jobs'])
    assert.equal(problem.type, 'invalid_type')
  })

  test('because there is nothing, or something quite different, is refused as a whole', () => {
    assert.deepEqual(problemsOf(createRequest, undefined), [
      { loc: ['body'], msg: 'Field required', type: 'missing' },
    ])
    for (const other of [null, 'text', 5, []]) {
      const [problem] = problemsOf(createRequest, other)
      assert.deepEqual(problem?.loc, ['body'])
      assert.equal(problem.type, 'invalid_type')
    }
  })

  test('where null stands for what is required is not missing but wrong', () => {
    const [problem] = problemsOf(createRequest, { ...CREATE, content_type: null })
    assert.deepEqual(problem?.loc, ['body', 'content_type'])
    assert.equal(problem.type, 'invalid_type')
  })
})

describe('a request that fits', () => {
  test('comes in the code’s shape, with what it left out', () => {
    assert.deepEqual(parseWire(createRequest, CREATE, 'body'), {
      sourceFilePath: '/m/a.mp3',
      contentType: 'audio',
      ingestionTaskId: 't',
      taskOptions: {},
      priority: 0,
    })
  })

  test('may carry unknown keys; the user’s own are kept as they are', () => {
    const options = { webhookUrl: 'u', some_key: { x_at: '2026-01-01T00:00:00Z' } }
    const read = parseWire(createRequest, { ...CREATE, other: 1, task_options: options }, 'body')
    assert.equal('other' in read, false)
    assert.deepEqual(read.taskOptions, options)
  })

  test('has numbers where a query or a form has text', () => {
    const query = { worker_id: ' w1 ', content_types: 'audio, video ,document', max_jobs: '3' }
    assert.deepEqual(parseWire(pollQuery, query, 'query'), {
      workerId: 'w1',
      contentTypes: ['audio', 'video', 'document'],
      maxJobs: 3,
    })
    assert.equal(parseWire(pollQuery, { ...query, max_jobs: undefined }, 'query').maxJobs, 1)
    assert.equal(parseWire(listQuery, { limit: '7' }, 'query').limit, 7)
    const fields = { content_type: 'audio', priority: '-2', task_options: '{"a_b": 1}' }
    assert.deepEqual(parseWire(uploadFields, fields, 'body'), {
      contentType: 'audio',
      priority: -2,
      taskOptions: { a_b: 1 },
    })
  })

  test('may have null where an original client has nothing', () => {
    const nothing = {
      success: true,
      content: null,
      metadata: null,
      error_message: null,
      processing_time: null,
      lease_token: null,
      error_code: null,
      retryable: null,
    }
    assert.deepEqual(parseWire(resultRequest, nothing, 'body'), {
      success: true,
      content: null,
      metadata: null,
      errorMessage: null,
      processingTime: null,
      leaseToken: null,
      errorCode: null,
      retryable: null,
    })
    assert.deepEqual(parseWire(resultRequest, { success: false }, 'body'), { success: false })
    assert.deepEqual(parseWire(reassignRequest, { worker_id: null }, 'body'), { workerId: null })
    assert.equal(parseWire(cleanupRequest, { statuses: null }, 'body').statuses, null)
  })
})

describe('a heartbeat', () => {
  const BEAT = { state: 'running', version: '1', slots: 2, jobs: [] }
  const CAN = {
    engines: ['whisper-cpp'],
    models: ['large-v3'],
    languages: ['de', 'en'],
    features: ['words'],
  }

  test('may say nothing of what the worker can do', () => {
    const nothing = { capabilities: null, devices: null, paused: null }
    assert.deepEqual(parseWire(heartbeatRequest, { ...BEAT, ...nothing }, 'body'), {
      ...BEAT,
      ...nothing,
    })
    assert.deepEqual(parseWire(heartbeatRequest, BEAT, 'body'), BEAT)
  })

  test('tells what the worker can do, which devices it has and which slots rest', () => {
    const device = { index: 0, name: 'GPU', memory_mb: 24_576, driver: '550.1', kind: 'cuda' }
    const paused = [{ slot: 1, reason: 'three failures', until: '2026-01-02T12:00:00Z' }]
    const beat = { ...BEAT, capabilities: CAN, devices: [device], paused }
    const read = parseWire(heartbeatRequest, beat, 'body')
    assert.deepEqual(read.capabilities, CAN)
    assert.deepEqual(read.devices?.[0], {
      index: 0,
      name: 'GPU',
      memoryMb: 24_576,
      driver: '550.1',
      kind: 'cuda',
    })
    assert.deepEqual(read.paused, paused)
    const any = { ...beat, capabilities: { ...CAN, languages: null } }
    assert.equal(parseWire(heartbeatRequest, any, 'body').capabilities?.languages, null)
  })

  test('that leaves its languages out has not said that it knows all', () => {
    const { languages: _, ...rest } = CAN
    assert.deepEqual(problemsOf(heartbeatRequest, { ...BEAT, capabilities: rest })[0]?.loc, [
      'body',
      'capabilities',
      'languages',
    ])
  })

  test('brings a checkpoint with its keys unchanged on either way', () => {
    const checkpoint = { done_at: '2026-01-01T00:00:00Z', partsDone: [{ end_s: 1 }] }
    const job = { job_id: 'a', lease_token: 't', stage: 's', progress: 0, checkpoint }
    const read = parseWire(heartbeatRequest, { ...BEAT, jobs: [job] }, 'body')
    assert.deepEqual(read.jobs[0]?.checkpoint, checkpoint)
    assert.deepEqual(toWire(read), { ...BEAT, jobs: [job] })
    const without = parseWire(
      heartbeatRequest,
      { ...BEAT, jobs: [{ ...job, checkpoint: null }] },
      'body',
    )
    assert.equal(without.jobs[0]?.checkpoint, null)
    for (const wrong of [[1], 'text', 5])
      assert.deepEqual(
        problemsOf(heartbeatRequest, { ...BEAT, jobs: [{ ...job, checkpoint: wrong }] })[0]?.loc,
        ['body', 'jobs', 0, 'checkpoint'],
      )
  })
})

test('numbers outside their limits are refused', () => {
  const query = { worker_id: 'w', content_types: 'audio' }
  for (const maxJobs of ['0', '-1', '1.5', '101', '', 'x'])
    assert.deepEqual(problemsOf(pollQuery, { ...query, max_jobs: maxJobs }, 'query')[0]?.loc, [
      'query',
      'max_jobs',
    ])
  const claim = { worker_id: 'w', content_types: ['audio'], claim_id: 'c' }
  for (const wrong of [{ wait_seconds: 61 }, { max_jobs: '2' }, { content_types: [] }])
    assert.equal(problemsOf(claimRequest, { ...claim, ...wrong }).length, 1)
})

test('a list of content types with nothing in it, or with a gap, is refused', () => {
  for (const text of ['', ' ', ',', 'audio,,video'])
    assert.equal(
      problemsOf(pollQuery, { worker_id: 'w', content_types: text }, 'query')[0]?.loc[1],
      'content_types',
    )
})

test('options of an upload that are no JSON object are refused by name', () => {
  for (const text of ['{', '[1]', '"x"', 'null', '5'])
    assert.deepEqual(
      problemsOf(uploadFields, { content_type: 'audio', task_options: text }).map(({ loc }) => loc),
      [['body', 'task_options']],
    )
  assert.match(
    refused(uploadFields, { content_type: 'audio', task_options: '{' }).message,
    /task_options is not JSON/,
  )
})
