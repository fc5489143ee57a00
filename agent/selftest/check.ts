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

/** One thing that is looked at. `run` says what it saw, or throws what is wrong. */
interface Check {
  name: string
  run: () => Promise<string>
  /** It needs nothing of the checks before it: it is tried also when our key allows too little for those. */
  alone?: true
  /** Nothing that follows needs it: its failure makes nothing be skipped. */
  apart?: true
}

/** Checks in order; each needs what the ones before it have done, unless it stands alone. */
export interface Group {
  name: GroupName
  checks: Check[]
  /** Tidies up, whatever came of the checks. */
  after?: () => Promise<void>
}

export interface CheckResult {
  group: GroupName
  name: string
  status: 'PASS' | 'FAIL' | 'SKIP'
  detail: string
  /** What to do about it. */
  fix: string | null
  durationMs: number
}

/** What is wrong, and what to do about it. */
class CheckFailure extends Error {
  readonly fix: string

  constructor(message: string, fix: string) {
    super(message)
    this.fix = fix
  }
}

/** Fails unless it is so. */
export function expect(isSo: boolean, message: string, fix: string): asserts isSo {
  if (!isSo) throw new CheckFailure(message, fix)
}

/** Runs groups one after the other; what follows a failure in its group, and needs it, is skipped. */
export async function runGroups(
  groups: readonly Group[],
  tell: (result: CheckResult) => void,
): Promise<CheckResult[]> {
  const results: CheckResult[] = []
  for (const { name: group, checks, after } of groups) {
    let failed: CheckResult | null = null
    for (const check of checks) {
      const isTried: boolean = failed === null || (failed.status === 'SKIP' && check.alone === true)
      const result: CheckResult = isTried
        ? await runOne(group, check)
        : skipped(group, check, failed!.name)
      results.push(result)
      tell(result)
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
    // A worker's key may not submit, and a submitter's not work: that is how it should be.
    const status = error instanceof AppError && error.code === 'forbidden' ? 'SKIP' : 'FAIL'
    return { group, name, status, detail: messageOf(error), fix, durationMs: took() }
  }
}

function skipped(group: GroupName, { name }: Check, failed: string): CheckResult {
  const detail = `not tried, because '${failed}' did not pass`
  return { group, name, status: 'SKIP', detail, fix: null, durationMs: 0 }
}
