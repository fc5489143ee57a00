import assert from 'node:assert/strict'
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { describe, test, type TestContext } from 'node:test'
import { stemOf } from '../../coordinator/ingestion/file-stem.ts'
import { OutputFolder } from '../../coordinator/ingestion/output-folder.ts'
import { hasEnded, type EndedJob, type ResultBody } from '../../coordinator/job/job.ts'
import { packResult } from '../../coordinator/blobs/packed-result.ts'
import { Renditions } from '../../coordinator/blobs/renditions.ts'
import { Results } from '../../coordinator/blobs/results.ts'
import { Transcripts } from '../../coordinator/blobs/transcripts.ts'
import { after, CLAIM, newJobId, oneOfEach, pendingJob } from '../coordinator/example-jobs.ts'

const DONE = { done: true }
const BODY = { content: '# Talk\n\nHello.', metadata: { duration: 60, aKey: { b_key: 1 } } }

async function setUp(t: TestContext) {
  const root = mkdtempSync(path.join(os.tmpdir(), 'morag-test-'))
  t.after(() => rmSync(root, { recursive: true, force: true }))
  const dir = path.join(root, 'texts', 'of the week')
  const results = await Results.open(root)
  const transcripts = new Transcripts(results, await Renditions.open(root))
  t.after(async () => await transcripts.close())
  return { root, dir, results, transcripts, folder: new OutputFolder(dir, transcripts) }
}

function completed(filename = 'talk.mp3', body: ResultBody = BODY, jobId = newJobId()): EndedJob {
  const { source } = pendingJob()
  const job = pendingJob({ jobId, ingestionTaskId: 'task-1', source: { ...source, filename } })
  const { result } = packResult(body, 1)
  const end = after(job, CLAIM, { type: 'succeed', attempt: 1, result })
  assert.ok(hasEnded(end))
  return end
}

/** Two ids with the same beginning are another's id in the first eight places. */
function idFrom(beginning: string): string {
  return `${beginning}-0000-4000-8000-000000000001`
}

function factsIn(dir: string, name: string): Record<string, unknown> {
  return JSON.parse(readFileSync(path.join(dir, name), 'utf8')) as Record<string, unknown>
}

describe('a finished text', () => {
  test('is a Markdown file and what belongs to it, in a folder that is made', async (t) => {
    const { dir, folder } = await setUp(t)
    const job = completed()
    assert.deepEqual(await folder.write(job), DONE)
    assert.deepEqual(readdirSync(dir).toSorted(), ['talk.json', 'talk.md'])
    assert.equal(readFileSync(path.join(dir, 'talk.md'), 'utf8'), BODY.content)
    assert.deepEqual(factsIn(dir, 'talk.json'), {
      job_id: job.jobId,
      task_id: 'task-1',
      document_id: null,
      content_type: 'audio',
      file_name: 'talk.mp3',
      completed_at: new Date(job.completedAt).toISOString(),
      metadata: BODY.metadata,
    })
  })

  for (const words of [1_000, 100_000])
    test(`may be one of ${words} words, that has a file of its own`, async (t) => {
      const { dir, folder, results } = await setUp(t)
      const body = { content: 'words '.repeat(words), metadata: { duration: 60 } }
      const job = completed('talk.mp3', body)
      const { result, json } = packResult(body, 1)
      await results.save({ jobId: job.jobId, result }, json!)
      assert.deepEqual(await folder.write(job), DONE)
      assert.equal(readFileSync(path.join(dir, 'talk.md'), 'utf8'), body.content)
      assert.equal(factsIn(dir, 'talk.json')['job_id'], job.jobId)
      assert.deepEqual(factsIn(dir, 'talk.json')['metadata'], body.metadata)
      assert.deepEqual(await folder.write(job), DONE)
      assert.deepEqual(readdirSync(dir).toSorted(), ['talk.json', 'talk.md'])
      await results.remove(job.jobId)
      const gone = await folder.write(job)
      assert.deepEqual([gone.done, 'final' in gone && gone.final], [false, true])
    })

  test('written again has the same name', async (t) => {
    const { dir, folder } = await setUp(t)
    const job = completed()
    await folder.write(job)
    writeFileSync(path.join(dir, 'talk.md'), 'somebody has changed it')
    assert.deepEqual(await folder.write(job), DONE)
    assert.deepEqual(readdirSync(dir).toSorted(), ['talk.json', 'talk.md'])
    assert.equal(readFileSync(path.join(dir, 'talk.md'), 'utf8'), BODY.content)
  })

  test('whose writing was cut off between the two files keeps its name', async (t) => {
    const { dir, folder } = await setUp(t)
    const job = completed()
    await folder.write(job)
    rmSync(path.join(dir, 'talk.json'))
    await folder.write(job)
    assert.deepEqual(readdirSync(dir).toSorted(), ['talk.json', 'talk.md'])
  })
})

describe('a name that is taken', () => {
  test('by another job gets the beginning of the job’s id, and keeps it', async (t) => {
    const { dir, folder } = await setUp(t)
    await folder.write(completed())
    const other = completed('talk.wav', { ...BODY, content: 'other' }, idFrom('abcdef01'))
    for (let n = 0; n < 2; n += 1) {
      assert.deepEqual(await folder.write(other), DONE)
      const expected = ['talk-abcdef01.json', 'talk-abcdef01.md', 'talk.json', 'talk.md']
      assert.deepEqual(readdirSync(dir).toSorted(), expected)
    }
    assert.equal(readFileSync(path.join(dir, 'talk.md'), 'utf8'), BODY.content)
    assert.equal(factsIn(dir, 'talk-abcdef01.json')['job_id'], other.jobId)
  })

  test('by unknown files is left alone', async (t) => {
    const { dir, folder } = await setUp(t)
    await folder.write(completed('other.mp3'))
    writeFileSync(path.join(dir, 'talk.md'), 'notes')
    writeFileSync(path.join(dir, 'plan.json'), 'no JSON')
    await folder.write(completed('talk.mp3', BODY, idFrom('abcdef01')))
    await folder.write(completed('plan.mp3', BODY, idFrom('abcdef02')))
    assert.equal(readFileSync(path.join(dir, 'talk.md'), 'utf8'), 'notes')
    assert.equal(readFileSync(path.join(dir, 'plan.json'), 'utf8'), 'no JSON')
    assert.ok(existsSync(path.join(dir, 'talk-abcdef01.json')))
    assert.ok(existsSync(path.join(dir, 'plan-abcdef02.json')))
  })

  test('twice over gets the whole id', async (t) => {
    const { dir, folder } = await setUp(t)
    await folder.write(completed())
    writeFileSync(path.join(dir, 'talk-abcdef01.md'), 'notes')
    const job = completed('talk.mp3', BODY, idFrom('abcdef01'))
    await folder.write(job)
    assert.equal(factsIn(dir, `talk-${job.jobId}.json`)['job_id'], job.jobId)
  })

  test('is so by the first of two that are written at once', async (t) => {
    const { dir, folder } = await setUp(t)
    const ids = ['abcdef01', 'abcdef02', 'abcdef03'].map(idFrom)
    const jobs = ids.map((id) => completed('talk.mp3', { content: id, metadata: {} }, id))
    await Promise.all(jobs.map(async (job) => await folder.write(job)))
    const texts = readdirSync(dir).filter((name) => name.endsWith('.md'))
    const found = texts.map((name) => readFileSync(path.join(dir, name), 'utf8'))
    assert.deepEqual(found.toSorted(), ids)
  })
})

describe('a folder that cannot be written', () => {
  test('because the disk is full leaves nothing half, and is tried again', async (t) => {
    const { dir, folder } = await setUp(t)
    await folder.write(completed('other.mp3'))
    const job = completed()
    // Every write to it fails as on a full disk.
    symlinkSync('/dev/full', path.join(dir, `.${job.jobId}.md.tmp`))
    const message = `The disk of the output folder ${dir} is full.`
    assert.deepEqual(await folder.write(job), {
      done: false,
      message,
      final: false,
      retryAfterMs: null,
    })
    assert.deepEqual(readdirSync(dir).toSorted(), ['other.json', 'other.md'])
    assert.deepEqual(await folder.write(job), DONE)
  })

  test('because it is none is tried again', async (t) => {
    const { root, transcripts } = await setUp(t)
    writeFileSync(path.join(root, 'a file'), '')
    const tried = await new OutputFolder(path.join(root, 'a file'), transcripts).write(completed())
    assert.deepEqual([tried.done, 'final' in tried && tried.final], [false, false])
  })
})

test('a job without a text has nothing to write', async (t) => {
  const { dir, folder } = await setUp(t)
  const { failed } = oneOfEach()
  assert.ok(hasEnded(failed))
  assert.equal((await folder.write(failed)).done, false)
  assert.equal(existsSync(dir), false)
})

describe('the name of a text', () => {
  const names: [string, string][] = [
    ['talk.mp3', 'talk'],
    ['Gespräch über Öl.final.mp4', 'Gespräch über Öl.final'],
    ['../../etc/passwd', 'passwd'],
    ['C:\\talks\\monday.wav', 'monday'],
    ['..', 'document'],
    ['.hidden.mp3', 'hidden'],
    ['...', 'document'],
    ['', 'document'],
    ['con.mp3', '_con'],
    ['Com1.x.mp3', '_Com1.x'],
    ['console.mp3', 'console'],
    ['two\nlines\u001b[2J.mp3', 'two lines [2J'],
    ['a\u202egpj.mp3', 'agpj'],
    ['what? "why": a|b*.mp3', 'what_ _why__ a_b_'],
    ['ends with dots. . .mp3', 'ends with dots'],
    ['e\u0301.mp3', '\u00e9'],
  ]
  for (const [filename, stem] of names) {
    test(`${JSON.stringify(filename)} is ${JSON.stringify(stem)}`, () => {
      assert.equal(stemOf(filename), stem)
    })
  }

  test('is cut between characters, at 150 bytes', () => {
    assert.equal(stemOf(`${'ü'.repeat(200)}.mp3`), 'ü'.repeat(75))
    assert.equal(stemOf(`x${'👋'.repeat(100)}.mp3`), `x${'👋'.repeat(37)}`)
  })
})
