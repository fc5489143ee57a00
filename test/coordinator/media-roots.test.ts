import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdirSync, renameSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { describe, test } from 'node:test'
import { MediaRoots } from '../../coordinator/blobs/media-roots.ts'
import { AppError } from '../../shared/errors.ts'
import { tempFolder } from '../shared/temp-folder.ts'
import { claimedJob, startRunning } from './running.ts'

/** `media` with a file, and around it what is not to be reached. */
function folders(): { base: string; media: string; file: string } {
  const base = tempFolder()
  const media = path.join(base, 'media')
  for (const name of ['media', 'media/inside', 'media-evil', 'outside']) {
    mkdirSync(path.join(base, name))
    writeFileSync(path.join(base, name, 'a.mp3'), 'speech')
  }
  return { base, media, file: path.join(media, 'a.mp3') }
}

async function refusal(roots: MediaRoots, file: string): Promise<string> {
  let said = ''
  await assert.rejects(roots.source(file), (error) => {
    assert.ok(error instanceof AppError)
    assert.equal(error.code, 'invalid')
    assert.deepEqual(error.problems?.[0]?.loc, ['body', 'source_file_path'])
    said = error.message
    return true
  })
  return said
}

test('a file of a root is a source that knows its size and when it was last written', async () => {
  const { media, file } = folders()
  utimesSync(file, 1_700_000_000.25, 1_700_000_000.25)
  const roots = await MediaRoots.resolve([media])
  assert.deepEqual(await roots.source(file), {
    kind: 'path',
    path: file,
    filename: 'a.mp3',
    sizeBytes: 6,
    sha256: null,
    modifiedAt: 1_700_000_000_250,
  })
  assert.equal((await roots.source(path.join(media, 'inside', 'a.mp3'))).sizeBytes, 6)
  assert.equal((await roots.source(path.join(media, 'inside', '..', 'a.mp3'))).path, file)
})

test('a folder that becomes a way out is found out within a second, a link in it at once', async () => {
  const { base, media, file } = folders()
  let now = 0
  const roots = await MediaRoots.resolve([media], () => now)
  const inside = path.join(media, 'inside', 'a.mp3')
  for (const one of [file, inside, inside]) assert.equal((await roots.source(one)).path, one)
  symlinkSync(path.join(base, 'outside', 'a.mp3'), path.join(media, 'inside', 'out.mp3'))
  const refused = await refusal(roots, path.join(media, 'inside', 'out.mp3'))
  renameSync(path.join(media, 'inside'), path.join(media, 'elsewhere'))
  symlinkSync(path.join(base, 'outside'), path.join(media, 'inside'))
  assert.equal(await roots.allows(inside), false)
  now = 1_000
  assert.equal(await refusal(roots, inside), refused)
})

test('a name that only begins with dots is inside', async () => {
  const { media } = folders()
  const file = path.join(media, '..a.mp3')
  writeFileSync(file, 'speech')
  assert.equal((await (await MediaRoots.resolve([media])).source(file)).path, file)
})

describe('not a source:', () => {
  const { base, media, file } = folders()
  symlinkSync(path.join(base, 'outside', 'a.mp3'), path.join(media, 'out.mp3'))
  symlinkSync(path.join(base, 'outside'), path.join(media, 'out'))
  symlinkSync(path.join(media, 'nowhere'), path.join(media, 'dangling.mp3'))
  symlinkSync(path.join(media, 'loop.mp3'), path.join(media, 'loop.mp3'))
  execFileSync('mkfifo', [path.join(media, 'pipe.mp3')])
  for (const [what, named] of [
    ['a file beside the root', path.join(base, 'outside', 'a.mp3')],
    ['a file of a folder whose name goes on', path.join(base, 'media-evil', 'a.mp3')],
    ['a way out by dots', `${media}/../outside/a.mp3`],
    [
      'a way out by dots through a folder that is not there',
      `${media}/nothing/../../outside/a.mp3`,
    ],
    ['a link to a file outside', path.join(media, 'out.mp3')],
    ['a file behind a link to a folder outside', path.join(media, 'out', 'a.mp3')],
    ['a link to nothing', path.join(media, 'dangling.mp3')],
    ['a link to itself', path.join(media, 'loop.mp3')],
    ['the root itself', media],
    ['a folder', path.join(media, 'inside')],
    ['a pipe', path.join(media, 'pipe.mp3')],
    ['a file that is taken for a folder', path.join(file, 'b.mp3')],
    ['nothing', path.join(media, 'nothing.mp3')],
    ['a relative path', path.relative(process.cwd(), file)],
    ['a name with a NUL', `${file}\0.mp3`],
    ['a name longer than any', path.join(media, 'x'.repeat(5_000))],
    ['a device', '/dev/null'],
  ] as const) {
    test(what, { timeout: 5_000 }, async () => {
      const said = await refusal(await MediaRoots.resolve([media]), named)
      assert.ok(said.endsWith(`Files of these folders are allowed: ${media}.`), said)
    })
  }

  test('what is outside and what is missing get the same answer', async () => {
    const roots = await MediaRoots.resolve([media])
    assert.equal(
      await refusal(roots, '/etc/hostname'),
      await refusal(roots, path.join(base, 'nothing')),
    )
  })
})

test('a link inside leads to what it names, and keeps its own name', async () => {
  const { media, file } = folders()
  const link = path.join(media, 'link.mp3')
  symlinkSync(file, link)
  const source = await (await MediaRoots.resolve([media])).source(link)
  assert.equal(source.path, file)
  assert.equal(source.filename, 'link.mp3')
})

test('a root may itself be a link, and there may be several', async () => {
  const { base, media, file } = folders()
  const link = path.join(base, 'link')
  symlinkSync(media, link)
  const roots = await MediaRoots.resolve([path.join(base, 'outside'), link])
  assert.equal((await roots.source(path.join(link, 'a.mp3'))).path, file)
  assert.equal((await roots.source(file)).path, file)
  await roots.source(path.join(base, 'outside', 'a.mp3'))
  const said = await refusal(roots, '/etc/hostname')
  assert.ok(said.includes(`${path.join(base, 'outside')}, ${media}`), said)
})

test('the whole file system may be a root', async () => {
  const { file } = folders()
  assert.equal((await (await MediaRoots.resolve(['/'])).source(file)).path, file)
})

for (const [what, name] of [
  ['missing', 'nothing'],
  ['a file', 'media/a.mp3'],
  ['below a file', 'media/a.mp3/b'],
  ['a link to itself', 'loop'],
] as const) {
  test(`a root that is ${what} is one sentence about the settings`, async () => {
    const { base } = folders()
    symlinkSync(path.join(base, 'loop'), path.join(base, 'loop'))
    const root = path.join(base, name)
    await assert.rejects(MediaRoots.resolve([root]), (error) => {
      assert.ok(error instanceof AppError)
      assert.equal(error.code, 'usage')
      assert.equal(error.message, `The media root ${root} is not a folder that can be read.`)
      return true
    })
  })
}

describe('a data folder below a media root', () => {
  test('is no place for sources: its secret and its results stay its own', async (t) => {
    const running = await startRunning(t, { over: (root) => ({ mediaRoots: [root] }) })
    const job = await claimedJob(running)
    const content = 'x'.repeat(10_000)
    const json = { success: true, content, lease_token: job.lease_token }
    await running.ask('PUT', `/remote-jobs/${job.job_id}/result`, { json })
    for (const name of ['secret', 'journal.ndjson', `results/${job.job_id}.json`]) {
      const answer = await running.ask('POST', '/remote-jobs', {
        json: {
          source_file_path: path.join(running.dataDir, name),
          content_type: 'audio',
          ingestion_task_id: 'task',
        },
      })
      assert.equal(answer.status, 422, name)
    }
  })

  test('leaves a media root inside of it alone', async (t) => {
    const running = await startRunning(t, { over: (root) => ({ dataDir: root }) })
    await claimedJob(running)
  })
})
