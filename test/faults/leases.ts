import { done, of, type Of, type Rule } from './case.ts'
import type { Deed } from './history.ts'

/** A lease ends before the next begins: by its worker's word, an operator's, or its silence. */
export const hasOneLease: Rule = ({ deeds }) => {
  const claims = done(of(deeds, 'claim')).toSorted((a, b) => a.attempt - b.attempt)
  return claims.slice(1).flatMap((next, at) => {
    const held = claims[at]!
    if (next.attempt === held.attempt || hasLetGo(held, next.answeredAt, deeds)) return []
    return [
      `was given to ${next.workerId} (attempt ${next.attempt}) while ${held.workerId} held it (attempt ${held.attempt}): two leases`,
    ]
  })
}

function hasLetGo(held: Of<'claim'>, by: number, deeds: readonly Deed[]): boolean {
  const possible = deeds.filter(
    ({ answer, askedAt, answeredAt }) =>
      answer !== 'refused' && askedAt <= by && answeredAt >= held.askedAt,
  )
  const isOurs = (deed: Deed): boolean => 'attempt' in deed && deed.attempt === held.attempt
  const ended = possible.some((deed) => {
    if (deed.kind === 'finish' || deed.kind === 'release') return isOurs(deed)
    return deed.kind === 'cancel' || deed.kind === 'retry' || deed.kind === 'reassign'
  })
  return ended || heardAt(held, possible) + held.leaseMs <= by
}

/** No worker is given up that sent a heartbeat within the lease. */
export const keepsLeases: Rule = ({ log, deeds }) =>
  log
    .filter(({ from, reason }) => from === 'processing' && reason === 'worker_lost')
    .flatMap(({ attempt, at }) => {
      const claim = done(of(deeds, 'claim')).find((deed) => deed.attempt === attempt)
      if (claim === undefined || heardAt(claim, deeds) + claim.leaseMs <= at) return []
      return [`was taken from ${claim.workerId} (attempt ${attempt}) within its lease`]
    })

/** A busy machine may end a lease so much later. */
const LATE_MS = 20_000

/** Who is silent does not keep a job; a restart of the only coordinator gives everybody a new term. */
export const endsLeases: Rule = ({ log, deeds, history }) =>
  log.flatMap((line, at) => {
    const { to, attempt } = line
    const next = log[at + 1]
    const claim = done(of(deeds, 'claim')).find((deed) => deed.attempt === attempt)
    if (to !== 'processing' || next === undefined || claim === undefined) return []
    const isSameRun = line.version === null && next.run === line.run
    const isItsEnd = line.version !== null && next.from === 'processing' && next.attempt === attempt
    if (!isSameRun && !isItsEnd) return []
    const beats = deeds
      .filter((deed) => 'attempt' in deed && deed.attempt === attempt && deed.askedAt <= next.at)
      .map(({ answeredAt }) => answeredAt)
    const silentAt = Math.max(claim.answeredAt, ...beats)
    const stoodStillMs = (history.pauses ?? [])
      .map(({ from, until }) => Math.min(until, next.at) - Math.max(from, silentAt))
      .reduce((sum, ms) => sum + Math.max(0, ms), 0)
    const lateMs = next.at - silentAt - stoodStillMs - claim.leaseMs
    if (lateMs <= LATE_MS) return []
    const seconds = Math.round(lateMs / 1_000)
    return [`stayed with ${claim.workerId} (attempt ${attempt}) ${seconds} s after its lease`]
  })

/** When a worker last sent a sign of an attempt, at the least. */
function heardAt(claim: Of<'claim'>, deeds: readonly Deed[]): number {
  const beats = done(of(deeds, 'beat')).filter(({ attempt }) => attempt === claim.attempt)
  return Math.max(claim.askedAt, ...beats.map(({ askedAt }) => askedAt))
}
