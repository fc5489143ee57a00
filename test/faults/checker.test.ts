import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { check, countFaults } from './checker.ts'
import {
  changeIn,
  readLog,
  type Deed,
  type Found,
  type History,
  type LoggedChange,
} from './history.ts'

const LEASE = 3_000
const JOB = 'j1'

type Asked = 'jobId' | 'askedAt' | 'answeredAt' | 'answer'
type Bare<D> = D extends Deed ? Omit<D, Asked> : never

/** What a client did at an instant; it took 10 ms. */
function deed(at: number, what: Bare<Deed>, answer: Deed['answer'] = 'done'): Deed {
  return { jobId: JOB, askedAt: at, answeredAt: at + 10, answer, ...what }
}

const create = deed(0, { kind: 'create' })
const claim = (at: number, attempt: number, workerId: string): Deed =>
  deed(at, { kind: 'claim', attempt, workerId, leaseMs: LEASE })
const beat = (at: number, attempt: number, workerId: string): Deed =>
  deed(at, { kind: 'beat', attempt, workerId })
const finish = (
  at: number,
  attempt: number,
  workerId: string,
  content: string | null,
  answer: Deed['answer'] = 'done',
): Deed => deed(at, { kind: 'finish', attempt, workerId, content }, answer)
const read = (at: number, content: string): Deed => deed(at, { kind: 'read', content })

/** Lines of one process: `pending>processing 1 a`, behind the change the attempt, its worker, why it ended and when. */
function logged(lines: readonly string[], run = 0): LoggedChange[] {
  return lines.map((line, index) => {
    const [change, attempt, workerId, reason, at] = line.split(' ')
    const [from, to] = change!.split('>')
    return {
      jobId: JOB,
      run,
      version: null,
      from: from === '' ? null : from!,
      to: to!,
      attempt: attempt === undefined ? null : Number(attempt),
      workerId: workerId ?? null,
      reason: reason ?? null,
      at: at === undefined ? index : Number(at),
    }
  })
}

/** Lines of several processes, as they came: before each the job's version, and behind `@` its process. */
function loggedBySeveral(lines: readonly string[]): LoggedChange[] {
  return lines.flatMap((line) => {
    const [, version, run, change] = /^(\d+)@(\d+) (.*)$/.exec(line)!
    return logged([change!], Number(run)).map((one) => ({ ...one, version: Number(version) }))
  })
}

/** A job as it is at the end: `1 a completed` for each attempt. */
function found(status: string, content: string | null, ...attempts: string[]): Found {
  return {
    status,
    content,
    completedAt: 100,
    attempts: attempts.map((line) => {
      const [number, workerId, outcome] = line.split(' ')
      return { number: Number(number), workerId: workerId!, outcome: outcome ?? null }
    }),
  }
}

function history(deeds: Deed[], end: Found | null, different: Partial<History> = {}): History {
  const ends = end === null ? [] : ([[JOB, end]] as const)
  return { log: [], deeds, found: new Map(ends), endedAt: 1e6, keptMs: null, ...different }
}

const GOOD = [create, claim(10, 1, 'a'), finish(20, 1, 'a', 'text')]
const COMPLETED = found('completed', 'text', '1 a completed')
const LOG = ['>pending', 'pending>processing 1 a', 'processing>completed 1 a']

const SILENT_FOR_LONG = ['processing>pending 1 a worker_lost 90000']

describe('a good history', () => {
  for (const [what, good] of Object.entries<History>({
    'of a job that is made, claimed and completed': history(
      [...GOOD, read(40, 'text')],
      COMPLETED,
      {
        log: logged(LOG),
      },
    ),
    'whose claim and result were sent twice': history(
      [...GOOD, claim(12, 1, 'a'), finish(25, 1, 'a', 'text')],
      COMPLETED,
    ),
    'in which a silent worker lost its lease, and its success still came first': history(
      [
        create,
        claim(10, 1, 'a'),
        beat(1_000, 1, 'a'),
        claim(4_100, 2, 'b'),
        finish(4_200, 1, 'a', 'late'),
        finish(4_300, 2, 'b', 'second', 'refused'),
      ],
      found('completed', 'late', '1 a completed', '2 b superseded'),
      {
        log: logged([
          '>pending',
          'pending>processing 1 a',
          'processing>pending 1 a worker_lost 4050',
          'pending>processing 2 b',
          'processing>completed 2 b',
        ]),
      },
    ),
    'in which an operator gave the job to another worker': history(
      [
        create,
        claim(10, 1, 'a'),
        deed(20, { kind: 'reassign' }),
        claim(40, 2, 'b'),
        finish(50, 2, 'b', 'text'),
      ],
      found('completed', 'text', '1 a reassigned', '2 b completed'),
    ),
    'in which a worker gave the job back and got no answer': history(
      [
        create,
        claim(10, 1, 'a'),
        deed(20, { kind: 'release', attempt: 1, workerId: 'a' }, 'unknown'),
        claim(40, 2, 'b'),
        finish(50, 2, 'b', null),
      ],
      found('failed', null, '1 a released', '2 b failed'),
    ),
    'in which a result got no answer, and was taken': history(
      [create, claim(10, 1, 'a'), finish(20, 1, 'a', 'text', 'unknown')],
      COMPLETED,
    ),
    'of a job that was cancelled, brought back and completed': history(
      [
        create,
        deed(5, { kind: 'cancel' }),
        deed(30, { kind: 'retry' }),
        claim(50, 1, 'a'),
        finish(60, 1, 'a', 'text'),
      ],
      COMPLETED,
    ),
    'over a crash that swallowed one line of the log': history(GOOD, COMPLETED, {
      log: [...logged(LOG.slice(0, 1)), ...logged(LOG.slice(2), 1)],
    }),
    'of a job that is gone because its time was over': history([...GOOD, read(40, 'text')], null, {
      keptMs: 1_000,
    }),
    'of a job whose time is over, and whose files are gone before it': history(
      [...GOOD, read(40, 'text')],
      found('completed', null, '1 a completed'),
      { keptMs: 1_000 },
    ),
    'of a job that is gone, of whose end a crash swallowed the line': history(
      [create, deed(40, { kind: 'seen', status: 'failed' })],
      null,
      { keptMs: 1_000, log: logged(LOG.slice(0, 2)) },
    ),
    'in which a silent worker kept its job while the coordinator stood still, and over a restart':
      history(
        [create, claim(10, 1, 'a'), claim(100_000, 2, 'b'), finish(100_100, 2, 'b', 'text')],
        found('completed', 'text', '1 a lost', '2 b completed'),
        {
          log: [
            ...logged(['>pending', 'pending>processing 1 a']),
            ...logged(SILENT_FOR_LONG, 1),
            ...logged(['pending>processing 2 b  100000', 'processing>completed 2 b  200100'], 1),
          ],
          pauses: [{ from: 100_200, until: 190_000 }],
        },
      ),
    'of which several processes have logged parts, the first of them late': history(
      GOOD,
      COMPLETED,
      {
        log: loggedBySeveral([
          '5@2 processing>completed 1 a',
          '1@0 >pending',
          '2@1 pending>processing 1 a',
        ]),
      },
    ),
    'of several processes, one of which died before it logged a claim': history(GOOD, COMPLETED, {
      log: loggedBySeveral(['1@0 >pending', '3@0 processing>completed 1 a']),
    }),
    'of several processes, one of which died before it logged an end, long before the removal':
      history([...GOOD, read(40, 'text')], null, {
        keptMs: 1_000,
        log: loggedBySeveral([
          '1@0 >pending',
          '2@0 pending>processing 1 a',
          '4@1 completed>removed 1 a - 90000',
        ]),
      }),
    'of several processes, one of which stood still before it logged an end': history(
      GOOD,
      COMPLETED,
      {
        log: loggedBySeveral([
          '1@0 >pending',
          '2@0 pending>processing 1 a',
          '3@0 processing>completed 1 a - 90000',
        ]),
        pauses: [{ from: 15, until: 89_000 }],
      },
    ),
    'of a request that was refused': history([deed(0, { kind: 'cancel' }, 'refused')], null),
  })) {
    test(what, () => assert.deepEqual(check(good), []))
  }
})

describe('a bad history is found out', () => {
  for (const [what, bad, sentence] of [
    [
      'in which a silent worker kept its job for long',
      history(
        [create, claim(10, 1, 'a'), claim(90_100, 2, 'b'), finish(90_200, 2, 'b', 'text')],
        found('completed', 'text', '1 a lost', '2 b completed'),
        { log: logged(['>pending', 'pending>processing 1 a', ...SILENT_FOR_LONG]) },
      ),
      /stayed with a \(attempt 1\) 87 s after its lease/,
    ],
    ['that lost an acknowledged job', history([create], null), /is gone/],
    [
      'that lost a job which had been brought back',
      history([create, deed(40, { kind: 'seen', status: 'failed' })], null, {
        keptMs: 1_000,
        log: logged([
          '>pending',
          'pending>processing 1 a',
          'processing>failed 1 a',
          'failed>pending - - - 60',
        ]),
      }),
      /is gone/,
    ],
    [
      'that lost a job before its time',
      history([...GOOD, read(40, 'text')], null, { keptMs: 2e6 }),
      /is gone/,
    ],
    [
      'whose job never ended',
      history([create], found('pending', null)),
      /never ended: it is pending/,
    ],
    [
      'whose job was made a second time',
      history(GOOD, COMPLETED, { log: [...logged(LOG), ...logged(['>pending'], 1)] }),
      /was made twice/,
    ],
    [
      'whose job completed again',
      history(GOOD, COMPLETED, {
        log: [...logged(LOG), ...logged(['processing>completed 2 b'], 1)],
      }),
      /completed two times/,
    ],
    [
      'whose job was worked on after it had completed',
      history(GOOD, COMPLETED, { log: logged([...LOG, 'completed>pending 1 a']) }),
      /went on to pending after it had completed/,
    ],
    [
      'whose job was handed out while it was being worked on',
      history(GOOD, COMPLETED, { log: logged([...LOG.slice(0, 2), 'processing>processing 2 b']) }),
      /handed out as attempt 2 while it was processing/,
    ],
    [
      'that swallowed a change without a crash',
      history(GOOD, COMPLETED, { log: logged(['>pending', 'processing>completed 1 a']) }),
      /a change is missing/,
    ],
    [
      'of several processes, without a change that none of them can have swallowed',
      history(GOOD, COMPLETED, {
        log: loggedBySeveral(['2@1 processing>completed 1 a', '1@0 >pending']),
      }),
      /a change is missing/,
    ],
    [
      'of two processes that both changed one version',
      history(GOOD, COMPLETED, {
        log: loggedBySeveral([
          '1@0 >pending',
          '2@0 pending>processing 1 a',
          '3@1 processing>completed 1 a',
          '3@2 processing>failed 1 a',
        ]),
      }),
      /changed twice at version 3/,
    ],
    [
      'of several processes that left a job with a silent worker',
      history(
        [create, claim(10, 1, 'a'), claim(90_100, 2, 'b'), finish(90_200, 2, 'b', 'text')],
        found('completed', 'text', '1 a lost', '2 b completed'),
        {
          log: loggedBySeveral([
            '1@0 >pending',
            '2@1 pending>processing 1 a',
            '3@2 processing>pending 1 a worker_lost 90000',
          ]),
        },
      ),
      /stayed with a \(attempt 1\) 87 s after its lease/,
    ],
    [
      'that gave one attempt to two workers',
      history([...GOOD, claim(4_000, 1, 'b')], COMPLETED),
      /went to two workers as attempt 1: a, b/,
    ],
    [
      'whose log has another worker than its client',
      history(GOOD, COMPLETED, { log: logged(['>pending', 'pending>processing 1 z']) }),
      /went to two workers as attempt 1: z, a/,
    ],
    [
      'that began an attempt twice',
      history(GOOD, COMPLETED, {
        log: [...logged(LOG.slice(0, 2)), ...logged(LOG.slice(1), 1)],
      }),
      /handed out twice as attempt 1/,
    ],
    [
      'with two live leases',
      history(
        [
          create,
          claim(10, 1, 'a'),
          beat(1_000, 1, 'a'),
          claim(3_900, 2, 'b'),
          finish(4_000, 2, 'b', 'text'),
        ],
        found('completed', 'text', '1 a lost', '2 b completed'),
      ),
      /was given to b \(attempt 2\) while a held it \(attempt 1\)/,
    ],
    [
      'with two live leases, one of which its worker failed to give back',
      history(
        [
          create,
          claim(10, 1, 'a'),
          deed(20, { kind: 'release', attempt: 1, workerId: 'a' }, 'refused'),
          claim(40, 2, 'b'),
          finish(50, 2, 'b', 'text'),
        ],
        found('completed', 'text', '1 a lost', '2 b completed'),
      ),
      /two leases/,
    ],
    [
      'that took a job from a worker it had just heard of',
      history([...GOOD, beat(1_000, 1, 'a')], COMPLETED, {
        log: logged([...LOG.slice(0, 2), 'processing>failed 1 a worker_lost 3900']),
      }),
      /was taken from a \(attempt 1\) within its lease/,
    ],
    [
      'that acknowledged two results',
      history(
        [...GOOD, claim(4_000, 2, 'b'), finish(4_100, 2, 'b', 'other')],
        found('completed', 'text', '1 a completed', '2 b superseded'),
      ),
      /has two acknowledged results: text, other/,
    ],
    [
      'that acknowledged one attempt to two workers',
      history([...GOOD, finish(30, 1, 'b', 'text')], COMPLETED),
      /had attempt 1 acknowledged to two workers/,
    ],
    [
      'that forgot a result it had acknowledged',
      history(GOOD, found('failed', null, '1 a failed')),
      /has no result, though one was acknowledged: it is failed/,
    ],
    [
      'that lost a stored result',
      history(GOOD, found('completed', null, '1 a completed'), { keptMs: 2e6 }),
      /has no result, though it is completed/,
    ],
    [
      'that stored another result than it had acknowledged',
      history(
        [...GOOD, finish(15, 1, 'a', 'other', 'unknown')],
        found('completed', 'other', '1 a completed'),
      ),
      /has another result than the one it acknowledged: other/,
    ],
    [
      'that stored what no worker sent',
      history([create, claim(10, 1, 'a')], found('completed', 'half of te', '1 a completed')),
      /has a result that no worker sent/,
    ],
    [
      'that delivered what no worker sent',
      history([...GOOD, read(40, 'torn')], COMPLETED),
      /delivered with a result that no worker sent: torn/,
    ],
    [
      'that delivered another result than it stored',
      history([...GOOD, finish(15, 1, 'a', 'old', 'unknown'), read(16, 'old')], COMPLETED),
      /delivered with another result than text: old/,
    ],
    [
      'that delivered two results of a job that is gone by now',
      history(
        [...GOOD, finish(15, 1, 'a', 'old', 'unknown'), read(16, 'old'), read(40, 'text')],
        null,
        {
          keptMs: 1_000,
        },
      ),
      /delivered with another result/,
    ],
    [
      'that went on with a cancelled job',
      history(
        [
          create,
          claim(10, 1, 'a'),
          deed(20, { kind: 'cancel' }),
          finish(40, 1, 'a', 'text', 'unknown'),
        ],
        COMPLETED,
      ),
      /was cancelled and is completed/,
    ],
    [
      'that forgot an attempt',
      history(GOOD, found('completed', 'text', '1 z completed')),
      /has forgotten attempt 1 of a/,
    ],
    [
      'that counted an attempt twice',
      history(GOOD, found('completed', 'text', '1 a completed', '1 a lost')),
      /counted an attempt twice/,
    ],
    [
      'with two attempts that completed one job',
      history(GOOD, found('completed', 'text', '1 a completed', '2 b completed')),
      /is completed with 2 attempts that completed it/,
    ],
  ] as const) {
    test(what, () => {
      const violations = check(bad)
      assert.match(violations.join('\n'), sentence)
      for (const one of violations) assert.match(one, /^Job j1 .*\.$/)
    })
  }
})

test('what is lost and what is doubled is counted', () => {
  const lost = check(history([create], null))
  const doubled = check(history([...GOOD, claim(4_000, 1, 'b')], COMPLETED))
  assert.equal(countFaults(lost).lost, 1)
  assert.equal(countFaults(lost).duplicated, 0)
  assert.notEqual(countFaults(doubled).duplicated, 0)
})

test('the log of several processes is read line by line, torn ones left out', () => {
  const line = JSON.stringify({
    time: '2026-01-02T12:00:00.000Z',
    job_id: JOB,
    from: 'pending',
    attempt: 1,
    worker_id: 'a',
    msg: 'job processing',
  })
  const change: LoggedChange = {
    jobId: JOB,
    run: 1,
    version: null,
    from: 'pending',
    to: 'processing',
    attempt: 1,
    workerId: 'a',
    reason: null,
    at: Date.UTC(2026, 0, 2, 12),
  }
  const other = '{"msg":"listening on http://127.0.0.1:1"}'
  assert.deepEqual(readLog([[other, line.slice(0, 60)], [line]]), [change])
  assert.equal(changeIn(`${line.slice(0, -1)},`, 0), null)
  assert.equal(changeIn(line.replace('{', '{"version":7,'), 0)?.version, 7)
  const removed = JSON.stringify({ job_id: JOB, from: 'failed', msg: 'job removed' })
  assert.equal(changeIn(removed, 0)?.to, 'removed')
})
