import type { Outcome } from './test-process.ts'

/** A process of tests that has ended. */
export interface Ended extends Outcome {
  /** As they are named in the checkout: `test/shared/wire.test.ts`. */
  testFiles: readonly string[]
}

/** Whether it passed, its wall and CPU time, its tests; of one that failed also what it wrote of the failure. */
export function endedText(ended: Ended): string {
  const { testFiles, isPassed, ms, record, leftovers } = ended
  const [first, ...others] = testFiles
  const name = others.length === 0 ? first : `${first} and ${others.length} more`
  const cpu = record === null ? '?' : seconds(record.cpuMs)
  const { passed, failed, skipped } = counts([ended])
  const tests = `${passed + failed} tests${skipped > 0 ? `, ${skipped} skipped` : ''}`
  return [
    `${isPassed ? 'ok  ' : 'FAIL'} ${seconds(ms)} (CPU ${cpu})  ${name}: ${tests}`,
    ...leftovers.map((command) => `     left running: ${command}`),
    ...(isPassed ? [] : [failureText(ended.output)]),
  ].join('\n')
}

/** What the spec reporter says of failures at its end; of a process that did not come so far its last lines. */
function failureText(output: string): string {
  const lines = output.trimEnd().split('\n')
  const from = lines.findLastIndex((line) => line.includes('failing tests:'))
  return (from < 0 ? lines.slice(-100) : lines.slice(from)).join('\n')
}

/** One line for each test file: the wall and CPU time of its tests; the slowest first. */
export function durations(ended: readonly Ended[]): string[] {
  return ended
    .flatMap(({ record }) => Object.entries(record?.files ?? {}))
    .toSorted(([, a], [, b]) => b.ms - a.ms)
    .map(([file, { ms, cpuMs }]) => `${seconds(ms)} (CPU ${seconds(cpuMs)})  ${file}`)
}

/** The sum of all, and the ten slowest files. */
export function summary(ended: readonly Ended[], ms: number): string {
  const { passed, failed, skipped } = counts(ended)
  const cpuMs = ended.reduce((sum, { record }) => sum + (record?.cpuMs ?? 0), 0)
  return [
    `The slowest files:`,
    ...durations(ended).slice(0, 10),
    `${passed} tests passed, ${failed} failed, ${skipped} skipped in ${seconds(ms)} (CPU ${seconds(cpuMs)})`,
  ].join('\n')
}

interface Counts {
  passed: number
  failed: number
  skipped: number
}

function counts(ended: readonly Ended[]): Counts {
  const total = { passed: 0, failed: 0, skipped: 0 }
  for (const record of ended.flatMap((one) => Object.values(one.record?.files ?? {}))) {
    total.passed += record.passed
    total.failed += record.failed
    total.skipped += record.skipped
  }
  return total
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`
}
