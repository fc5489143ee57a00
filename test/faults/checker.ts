import { done, of, type Rule } from './case.ts'
import { areNeighbours, inOrder, type Deed, type History, type LoggedChange } from './history.ts'
import { endsLeases, hasOneLease, keepsLeases } from './leases.ts'

const ENDED = ['completed', 'failed', 'timeout', 'cancelled']

/**
 * What is wrong with a run, a sentence each; nothing when it kept every promise. It errs to one side: what clients
 * cannot know (a request without an answer, a lease that a restart made longer) is never held against the coordinator.
 */
export function check(history: History): string[] {
  const log = groupBy(history.log, ({ jobId }) => jobId)
  const deeds = groupBy(history.deeds, ({ jobId }) => jobId)
  return [...new Set([...deeds.keys(), ...log.keys(), ...history.found.keys()])].flatMap(
    (jobId) => {
      const one = {
        jobId,
        log: inOrder(log.get(jobId) ?? []),
        deeds: deeds.get(jobId) ?? [],
        found: history.found.get(jobId),
        history,
      }
      return RULES.flatMap((rule) => rule(one)).map((what) => `Job ${jobId} ${what}.`)
    },
  )
}

/** How many of the jobs that clients made are gone, and how many things happened twice that happen once. */
export function countFaults(violations: readonly string[]): { lost: number; duplicated: number } {
  const matching = (pattern: RegExp): number => violations.filter((one) => pattern.test(one)).length
  return {
    lost: matching(/ (is gone|has no result|has forgotten|never ended)/),
    duplicated: matching(/ (twice|two|another) /),
  }
}

/** Nothing acknowledged is gone, before its time. */
const isThere: Rule = (one) => {
  const { deeds, found } = one
  if (found !== undefined || !deeds.some(({ answer }) => answer === 'done')) return []
  return mayGo(one) ? [] : ['was acknowledged and is gone']
}

/** Whether its time to be kept is over. */
function mayGo({ log, deeds, history: { keptMs, endedAt } }: Parameters<Rule>[0]): boolean {
  const ended = endOf(log, deeds)
  return keptMs !== null && ended !== null && ended + keptMs <= endedAt
}

/** When it came to the end that it is at, by the log or, where a kill swallowed that line, by the answers to clients. */
function endOf(log: readonly LoggedChange[], deeds: readonly Deed[]): number | null {
  const last = log.findLast(({ to }) => to !== 'removed')
  if (last !== undefined && ENDED.includes(last.to)) return last.at
  const ends = [...of(deeds, 'read'), ...of(deeds, 'seen')].map(({ answeredAt }) => answeredAt)
  return ends.toSorted((a, b) => a - b).find((at) => at > (last?.at ?? 0)) ?? null
}

/** Everything comes to one end. */
const hasEnded: Rule = ({ found }) =>
  found === undefined || ENDED.includes(found.status) ? [] : [`never ended: it is ${found.status}`]

/** Completed is for good. */
const endsOnce: Rule = ({ log }) => {
  const first = log.findIndex(({ to }) => to === 'completed')
  if (first === -1) return []
  return log
    .slice(first + 1)
    .filter(({ to }) => to !== 'removed')
    .map(({ to }) =>
      to === 'completed' ? 'completed two times' : `went on to ${to} after it had completed`,
    )
}

/** Each change begins where the one before it ended, and is made once; after a crash one line may be missing. */
const isChained: Rule = ({ log }) =>
  log.flatMap((line, at) => {
    const before = log[at - 1]
    if (line.to === 'processing' && line.from !== 'pending')
      return [`was handed out as attempt ${line.attempt} while it was ${line.from}: two at work`]
    if (before !== undefined && line.version !== null && before.version === line.version)
      return [`was changed twice at version ${line.version}: to ${before.to} and to ${line.to}`]
    if (before === undefined || before.to === (line.from ?? 'removed')) return []
    if (line.from === null)
      return [`was made twice: what it was before, ${before.to}, has no result`]
    if (!areNeighbours(before, line)) return []
    return [`was ${before.to} and then went from ${line.from} to ${line.to}: a change is missing`]
  })

/** An attempt is one worker's, and is begun once. */
const hasOneHolder: Rule = ({ log, deeds }) => {
  const holders = new Map<number, Set<string>>()
  const begun = new Map<number, number>()
  const hold = (attempt: number, workerId: string): void => {
    holders.set(attempt, (holders.get(attempt) ?? new Set()).add(workerId))
  }
  for (const { to, attempt, workerId } of log) {
    if (to !== 'processing' || attempt === null) continue
    begun.set(attempt, (begun.get(attempt) ?? 0) + 1)
    hold(attempt, workerId ?? '')
  }
  for (const deed of done(of(deeds, 'claim'))) hold(deed.attempt, deed.workerId)
  const shared = [...holders].filter(([, workers]) => workers.size > 1)
  const twice = [...begun].filter(([, times]) => times > 1)
  return [
    ...shared.map(
      ([n, workers]) => `went to two workers as attempt ${n}: ${[...workers].join(', ')}`,
    ),
    ...twice.map(([n]) => `was handed out twice as attempt ${n}`),
  ]
}

/** What was acknowledged as the result is the result, and it is one. */
const hasOneResult: Rule = (one) => {
  const { deeds, found } = one
  const sent = of(deeds, 'finish').filter(({ content }) => content !== null)
  const taken = done(sent)
  const contents = new Set(taken.map(({ content }) => content))
  const faults =
    contents.size > 1 ? [`has two acknowledged results: ${[...contents].join(', ')}`] : []
  const senders = groupBy(taken, ({ attempt }) => attempt)
  for (const [attempt, deedsOf] of senders) {
    const workers = new Set(deedsOf.map(({ workerId }) => workerId))
    if (workers.size > 1) faults.push(`had attempt ${attempt} acknowledged to two workers`)
  }
  if (found === undefined) return faults
  const { status, content } = found
  if (contents.size > 0 && status !== 'completed')
    faults.push(`has no result, though one was acknowledged: it is ${status}`)
  // On a full disk the files of a job that is to go make room for the line that says so.
  if (status === 'completed' && content === null && !mayGo(one))
    faults.push('has no result, though it is completed')
  if (content === null) return faults
  if (!sent.some((one) => one.content === content))
    faults.push(`has a result that no worker sent: ${content}`)
  if (contents.size > 0 && !contents.has(content))
    faults.push(`has another result than the one it acknowledged: ${content}`)
  return faults
}

/** Whoever read it got what is stored. */
const isDeliveredAsStored: Rule = (one) => {
  const { deeds, found } = one
  const read = new Set(done(of(deeds, 'read')).map(({ content }) => content))
  const sent = new Set(of(deeds, 'finish').map(({ content }) => content))
  const isGone = found === undefined || (found.content === null && mayGo(one))
  const stored = isGone ? [] : [found.content]
  return [...read].flatMap((content) => {
    if (!sent.has(content)) return [`was delivered with a result that no worker sent: ${content}`]
    const others = [...stored, ...read].filter((one) => one !== content)
    return others.length > 0
      ? [`was delivered with another result than ${others.join(', ')}: ${content}`]
      : []
  })
}

/** A cancelled job stays so, unless somebody brings it back. */
const staysCancelled: Rule = ({ deeds, found }) => {
  const cancelled = done(of(deeds, 'cancel')).at(-1)
  if (cancelled === undefined || found === undefined || found.status === 'cancelled') return []
  const broughtBack = deeds.some(
    ({ kind, answer, answeredAt }) =>
      (kind === 'retry' || kind === 'reassign') &&
      answer !== 'refused' &&
      answeredAt >= cancelled.askedAt,
  )
  return broughtBack ? [] : [`was cancelled and is ${found.status}`]
}

/** The job's own history knows every attempt that a worker was given, in order, and one that completed it. */
const remembers: Rule = ({ deeds, found }) => {
  if (found === undefined) return []
  const { attempts, status } = found
  const faults = done(of(deeds, 'claim'))
    .filter(
      ({ attempt, workerId }) =>
        !attempts.some((one) => one.number === attempt && one.workerId === workerId),
    )
    .map(({ attempt, workerId }) => `has forgotten attempt ${attempt} of ${workerId}`)
  const ordered = attempts.every(({ number }, at) => at === 0 || number > attempts[at - 1]!.number)
  if (!ordered) faults.push('has counted an attempt twice in its history')
  const completing = attempts.filter(({ outcome }) => outcome === 'completed').length
  if (completing !== (status === 'completed' ? 1 : 0))
    faults.push(`is ${status} with ${completing} attempts that completed it`)
  return faults
}

const RULES: readonly Rule[] = [
  isThere,
  hasEnded,
  endsOnce,
  isChained,
  hasOneHolder,
  hasOneLease,
  keepsLeases,
  endsLeases,
  hasOneResult,
  isDeliveredAsStored,
  staysCancelled,
  remembers,
]

function groupBy<K, V>(values: readonly V[], keyOf: (value: V) => K): Map<K, V[]> {
  const groups = new Map<K, V[]>()
  for (const value of values) {
    const key = keyOf(value)
    const group = groups.get(key)
    if (group === undefined) groups.set(key, [value])
    else group.push(value)
  }
  return groups
}
