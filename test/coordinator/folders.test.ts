import assert from 'node:assert/strict'
import {
  appendFileSync,
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import path from 'node:path'
import { describe, test } from 'node:test'
import { JobFolders } from '../../coordinator/storage/folders.ts'
import type { Job } from '../../coordinator/job/job.ts'
import { toRecord } from '../../coordinator/storage/record.ts'
import { STATUSES, type Status } from '../../shared/wire.ts'
import { tempFolder } from '../shared/temp-folder.ts'
import { after, CLAIM, failing, newJobId, NOON, pendingJob, result } from './example-jobs.ts'

const RECORD = { content_type: 'audio', source: { path: '/media/talk.mp3', size_bytes: 5 } }

function place(dir: string, status: string, name: string, content: unknown = RECORD): string {
  const file = path.join(dir, status, name)
  writeFileSync(file, typeof content === 'string' ? content : JSON.stringify(content))
  return file
}

function filesOf(dir: string): string[] {
  return STATUSES.flatMap((status) =>
    readdirSync(path.join(dir, status)).map((name) => `${status}/${name}`),
  )
}

async function follow(folders: JobFolders, ...jobs: Job[]): Promise<void> {
  await folders.follow(new Map(jobs.map((job) => [job.jobId, job])))
}

function load(dir: string): ReturnType<JobFolders['load']> {
  return new JobFolders(dir).load(NOON)
}

describe('a file placed by hand', () => {
  test('is a job', () => {
    const dir = tempFolder()
    const folders = new JobFolders(dir)
    const jobId = newJobId()
    place(dir, 'pending', `${jobId}.json`)
    const { jobs, quarantined } = folders.load(NOON)
    assert.deepEqual(quarantined, [])
    assert.equal(jobs.get(jobId)?.status, 'pending')
    assert.equal(jobs.get(jobId)?.source.path, '/media/talk.mp3')
    assert.equal(folders.statusOf(jobId), 'pending')
  })

  test('that is hidden, as editors make them, is passed over', () => {
    const dir = tempFolder()
    const folders = new JobFolders(dir)
    const file = place(dir, 'pending', '.job.json.swp', 'not JSON')
    assert.deepEqual(folders.load(NOON), { jobs: new Map(), quarantined: [] })
    assert.ok(existsSync(file))
  })

  for (const [what, name, content, reason] of [
    ['that is cut short', `${newJobId()}.json`, '{"content_type": "au', /JSON/],
    ['that is empty', `${newJobId()}.json`, '', /JSON/],
    ['that is no job', `${newJobId()}.json`, '{}', /content_type/],
    ['whose name is no UUID', 'talk.json', JSON.stringify(RECORD), /'talk' is not a job id/],
    ['whose name does not end in .json', 'notes.txt', 'hello', /<job id>.json/],
  ] as const) {
    test(`${what} goes to quarantine, named and whole`, () => {
      const dir = tempFolder()
      const folders = new JobFolders(dir)
      const good = newJobId()
      place(dir, 'failed', `${good}.json`)
      place(dir, 'failed', name, content)
      const { jobs, quarantined } = folders.load(NOON)
      assert.deepEqual([...jobs.keys()], [good])
      assert.equal(quarantined.length, 1)
      assert.equal(quarantined[0]?.file, path.join('failed', name))
      assert.match(quarantined[0].reason, reason)
      assert.equal(readFileSync(path.join(dir, 'quarantine', `failed-${name}`), 'utf8'), content)
      assert.deepEqual(filesOf(dir), [`failed/${good}.json`])
    })
  }

  test('goes to quarantine beside another one of its name', () => {
    const dir = tempFolder()
    for (const content of ['one', 'two', 'three']) {
      const folders = new JobFolders(dir)
      place(dir, 'pending', 'x.json', content)
      folders.load(NOON)
    }
    const contents = readdirSync(path.join(dir, 'quarantine')).map((name) =>
      readFileSync(path.join(dir, 'quarantine', name), 'utf8'),
    )
    assert.deepEqual(contents.toSorted(), ['one', 'three', 'two'])
  })
})

describe('a file of a job whose newest state the journal has', () => {
  test('is not put aside, be it empty, torn or in two folders: it is written over', async () => {
    const dir = tempFolder()
    const folders = new JobFolders(dir)
    const jobs = ['', '{"half', JSON.stringify(RECORD), '\0'.repeat(100)].map((content) => {
      const job = after(pendingJob(), CLAIM)
      for (const status of ['pending', 'failed']) place(dir, status, `${job.jobId}.json`, content)
      return job
    })
    const gone = newJobId()
    place(dir, 'timeout', `${gone}.json`, '')
    const known = new Set([gone, ...jobs.map(({ jobId }) => jobId)])
    const found = folders.load(NOON, known)
    assert.deepEqual(found, { jobs: new Map(), quarantined: [] })
    await folders.follow(
      new Map([[gone, null], ...jobs.map((job) => [job.jobId, job] as [string, Job])]),
    )
    assert.deepEqual(
      new Set(filesOf(dir)),
      new Set(jobs.map(({ jobId }) => `processing/${jobId}.json`)),
    )
    assert.equal(load(dir).jobs.size, jobs.length)
  })
})

describe('a job that stands in two folders', () => {
  const older = pendingJob()
  const newer = after(older, CLAIM, { type: 'succeed', attempt: 1, result: result() })

  test('is the newer one, whichever folder is read first; the other is put aside', async () => {
    for (const [old, young] of [
      [older, newer],
      [after(older, CLAIM, failing(1, 'no_audio')), after(older, CLAIM, failing(1), CLAIM)],
    ] as const) {
      const dir = tempFolder()
      await follow(new JobFolders(dir), young)
      writeFileSync(path.join(dir, old.status, `${old.jobId}.json`), JSON.stringify(toRecord(old)))
      const folders = new JobFolders(dir)
      const { jobs, quarantined } = folders.load(NOON)
      assert.deepEqual(jobs.get(old.jobId), young)
      assert.equal(folders.statusOf(old.jobId), young.status)
      assert.deepEqual(filesOf(dir), [`${young.status}/${old.jobId}.json`])
      assert.deepEqual(
        quarantined.map(({ file }) => file),
        [path.join(old.status, `${old.jobId}.json`)],
      )
      assert.match(quarantined[0]?.reason ?? '', /another folder/)
    }
  })
})

describe('the folders', () => {
  const life: Job[] = []
  let job: Job = pendingJob()
  life.push(job)
  for (const event of [
    CLAIM,
    failing(1),
    CLAIM,
    { type: 'deadline_passed' },
    { type: 'retry', reserveFor: null },
    CLAIM,
    failing(3, 'no_audio'),
    { type: 'cancel' },
    { type: 'retry', reserveFor: null },
    CLAIM,
    { type: 'succeed', attempt: 4, result: result('x'.repeat(500)) },
  ] as const)
    life.push((job = after(job, event)))

  test('hold a job in one file, in the folder of its status, for its whole life', async () => {
    const dir = tempFolder()
    const folders = new JobFolders(dir)
    for (const now of life) {
      await follow(folders, now)
      assert.deepEqual(filesOf(dir), [`${now.status}/${now.jobId}.json`])
      assert.deepEqual(load(dir).jobs.get(now.jobId), now)
    }
    assert.deepEqual(new Set(life.map(({ status }) => status)), new Set(STATUSES))
  })

  test('write over a file that stands where a job’s first one belongs, for its owner alone, and follow no link', async () => {
    const dir = tempFolder()
    const folders = new JobFolders(dir)
    const [one, two] = [pendingJob(), pendingJob()]
    const file = place(dir, 'pending', `${one.jobId}.json`, `{"half${'x'.repeat(5_000)}`)
    chmodSync(file, 0o644)
    const outside = path.join(dir, 'outside')
    symlinkSync(outside, path.join(dir, 'pending', `${two.jobId}.json`))
    await assert.rejects(follow(folders, one, two))
    assert.equal(existsSync(outside), false)
    assert.equal(statSync(file).mode & 0o777, 0o600)
    assert.deepEqual(load(dir).jobs.get(one.jobId), one)
  })

  test('keep one inode for a job’s whole life', async () => {
    const dir = tempFolder()
    const folders = new JobFolders(dir)
    const inodes = new Set<number>()
    for (const now of life) {
      await follow(folders, now)
      inodes.add(statSync(path.join(dir, now.status, `${now.jobId}.json`)).ino)
    }
    assert.equal(inodes.size, 1)
  })

  test('keep the inode of a file that was placed by hand or read at the start', async () => {
    const dir = tempFolder()
    const folders = new JobFolders(dir)
    const jobId = newJobId()
    const { ino } = statSync(place(dir, 'pending', `${jobId}.json`))
    const claimed = after(folders.load(NOON).jobs.get(jobId)!, CLAIM)
    await follow(folders, claimed)
    assert.equal(statSync(path.join(dir, 'processing', `${jobId}.json`)).ino, ino)
  })

  test('pad a shorter text to the old length, and it is still a job that people can read', async () => {
    const dir = tempFolder()
    const folders = new JobFolders(dir)
    const long = pendingJob({ taskOptions: { note: 'x'.repeat(5_000) } })
    const short = { ...long, taskOptions: {} }
    await follow(folders, long)
    const file = path.join(dir, 'pending', `${long.jobId}.json`)
    const { size } = statSync(file)
    await follow(folders, short)
    assert.equal(statSync(file).size, size)
    assert.match(readFileSync(file, 'utf8'), /^\{\n {2}"job_id": .*\n\}\n *$/s)
    assert.deepEqual(load(dir).jobs.get(long.jobId), short)
    const longer = { ...long, taskOptions: { note: 'y'.repeat(6_000) } }
    await follow(folders, longer)
    await follow(folders, short)
    assert.deepEqual(load(dir).jobs.get(long.jobId), short)
  })

  test('hold a whole job again after a person made its file longer', async () => {
    const dir = tempFolder()
    const folders = new JobFolders(dir)
    const one = pendingJob()
    await follow(folders, one)
    appendFileSync(path.join(dir, 'pending', `${one.jobId}.json`), '  "and": "more"\n'.repeat(99))
    const next = after(one, CLAIM)
    await follow(folders, next)
    assert.deepEqual(load(dir), { jobs: new Map([[one.jobId, next]]), quarantined: [] })
  })

  test('hold a job again whose file a person took away, moved or cut short', async () => {
    for (const meddle of [
      (file: string) => rmSync(file),
      (file: string) => writeFileSync(file, ''),
      (file: string) => renameSync(file, `${file}.away`),
    ]) {
      const dir = tempFolder()
      const folders = new JobFolders(dir)
      const one = pendingJob()
      await follow(folders, one)
      meddle(path.join(dir, 'pending', `${one.jobId}.json`))
      const next = after(one, CLAIM)
      await follow(folders, next)
      assert.deepEqual(load(dir).jobs.get(one.jobId), next)
    }
  })

  test('lose a job’s file when the job is removed, and care little if it was gone', async () => {
    const dir = tempFolder()
    const folders = new JobFolders(dir)
    const [one, two] = [pendingJob(), pendingJob()]
    await follow(folders, one, two)
    rmSync(path.join(dir, 'pending', `${two.jobId}.json`))
    await folders.follow(
      new Map([
        [one.jobId, null],
        [two.jobId, null],
        [newJobId(), null],
      ]),
    )
    assert.deepEqual(filesOf(dir), [])
    assert.equal(folders.statusOf(one.jobId), undefined)
  })

  test('hold the newest state also of a job that changes while they are being written', async () => {
    const dir = tempFolder()
    const folders = new JobFolders(dir)
    const jobs = Array.from({ length: 1_000 }, () => pendingJob())
    const changed = new Map<string, Job | null>(jobs.map((one) => [one.jobId, one]))
    const following = folders.follow(changed)
    const [first, last] = [after(jobs[0]!, CLAIM), after(jobs[999]!, CLAIM)]
    changed.set(first.jobId, first)
    changed.set(last.jobId, last)
    await following
    // What changed while it was being written itself has its turn in the next round.
    await folders.follow(changed)
    assert.equal(changed.size, 0)
    const { jobs: found } = load(dir)
    assert.equal(found.size, 1_000)
    assert.deepEqual([found.get(first.jobId), found.get(last.jobId)], [first, last])
  })

  test('are up to date after a round that ends, however many jobs are made meanwhile', async () => {
    const folders = new JobFolders(tempFolder())
    const changed = new Map<string, Job | null>()
    const add = (): void => {
      const one = pendingJob()
      changed.set(one.jobId, one)
    }
    for (let n = 0; n < 1_000; n += 1) add()
    const first = [...changed.keys()]
    let added = 0
    const load = (): void => {
      add()
      added += 1
      if (added < 300) setImmediate(load)
    }
    setImmediate(load)
    await folders.follow(changed)
    assert.ok(added > 0)
    assert.equal(changed.size, added, 'what came meanwhile is for the next round')
    assert.ok(first.every((jobId) => !changed.has(jobId)))
    added = 300
  })

  test('keep in the map a job whose file cannot be written', async () => {
    const dir = tempFolder()
    const folders = new JobFolders(dir)
    const one = pendingJob()
    // A folder where the file belongs.
    mkdirSync(path.join(dir, 'pending', `${one.jobId}.json`))
    const changed = new Map<string, Job | null>([[one.jobId, one]])
    await assert.rejects(folders.follow(changed))
    assert.deepEqual([...changed.keys()], [one.jobId])
    rmSync(path.join(dir, 'pending', `${one.jobId}.json`), { recursive: true })
    await folders.follow(changed)
    assert.equal(changed.size, 0)
    assert.deepEqual(load(dir).jobs.get(one.jobId), one)
  })

  test('let other work have its turn while they write very many files', async () => {
    const folders = new JobFolders(tempFolder())
    const jobs = Array.from({ length: 2_000 }, () => pendingJob())
    let turns = 0
    let over = false
    const count = (): void => {
      turns += 1
      if (!over) setImmediate(count)
    }
    setImmediate(count)
    await follow(folders, ...jobs)
    over = true
    assert.ok(turns > 5, `${turns} turns`)
  })

  test('are made where they are missing, and what earlier versions left half-made is swept away', () => {
    const dir = path.join(tempFolder(), 'new', 'data')
    const folders = new JobFolders(dir)
    folders.load(NOON)
    mkdirSync(path.join(dir, 'tmp'))
    writeFileSync(path.join(dir, 'tmp', `${newJobId()}.json`), '{"half')
    copyFileSync(import.meta.filename, path.join(dir, 'tmp', 'another'))
    assert.equal(load(dir).jobs.size, 0)
    assert.equal(existsSync(path.join(dir, 'tmp')), false)
    const statuses: Status[] = ['pending', 'processing', 'completed', 'failed', 'timeout']
    for (const status of [...statuses, 'cancelled', 'quarantine'])
      assert.ok(existsSync(path.join(dir, status)))
  })
})
