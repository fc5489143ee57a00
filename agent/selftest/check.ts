import { AppError, messageOf } from '../../shared/errors.ts'

export const GROUPS = [
  'connection',
  'lifecycle',
  'api',
  'limits',
  'disk',
  'media',
  'gpu',
  'engine',
] as const
export type GroupName = (typeof GROUPS)[number]

/** `run` returns what it found, or throws what is wrong. */
export interface Check {
  name: string
  run: () => Promise<string>
  /** Independent of the checks before it: it runs also when the key does not permit those. */
  alone?: true
  /** No later check depends on it: its failure skips none. */
  apart?: true
}

/** Checks in order; each depends on the ones before it, unless it is `alone`. */
export interface Group {
  name: GroupName
  checks: Check[]
  after?: () => Promise<void>
}

export interface CheckResult {
  group: GroupName
  name: string
  status: 'PASS' | 'FAIL' | 'SKIP'
  detail: string
  fix: string | null
  durationMs: number
}

class CheckFailure extends Error {
  readonly fix: string

  constructor(message: string, fix: string) {
    super(message)
    this.fix = fix
  }
}

/** What cannot be found out on this machine: neither right nor wrong. */
class NotChecked extends Error {}

/** @throws always: the check is skipped for that reason. */
export function notChecked(why: string): never {
  throw new NotChecked(`not checked: ${why}`)
}

/** @throws unless `condition` is true. */
export function expect(condition: boolean, message: string, fix: string): asserts condition {
  if (!condition) throw new CheckFailure(message, fix)
}

/** Runs groups one after the other. Checks that depend on a failed one are skipped. */
export async function runGroups(
  groups: readonly Group[],
  onResult: (result: CheckResult) => void,
): Promise<CheckResult[]> {
  const results: CheckResult[] = []
  for (const { name: group, checks, after } of groups) {
    let failed: CheckResult | null = null
    for (const check of checks) {
      const runs: boolean = failed === null || (failed.status === 'SKIP' && check.alone === true)
      const result: CheckResult = runs
        ? await runOne(group, check)
        : skipped(group, check, failed!.name)
      results.push(result)
      onResult(result)
      if (check.apart === true) continue
      if (result.status === 'FAIL') failed = result
      else if (result.status === 'SKIP') failed ??= result
    }
    await after?.()
  }
  return results
}

async function runOne(group: GroupName, { name, run }: Check): Promise<CheckResult> {
  const from = performance.now()
  const took = (): number => Math.round(performance.now() - from)
  try {
    const detail = await run()
    return { group, name, status: 'PASS', detail, fix: null, durationMs: took() }
  } catch (error) {
    const fix = error instanceof CheckFailure ? error.fix : null
    // Rightly, a worker's key may not submit, and a submitter's may not work.
    const forbidden = error instanceof AppError && error.code === 'forbidden'
    const status = forbidden || error instanceof NotChecked ? 'SKIP' : 'FAIL'
    return { group, name, status, detail: messageOf(error), fix, durationMs: took() }
  }
}

function skipped(group: GroupName, { name }: Check, failed: string): CheckResult {
  const detail = `skipped, because '${failed}' did not pass`
  return { group, name, status: 'SKIP', detail, fix: null, durationMs: 0 }
}
