import { readFileSync } from 'node:fs'
import type { TestEvent } from 'node:test/reporters'

/** What a test file came to. */
interface FileRecord {
  /** Wall time of its tests, in milliseconds. */
  ms: number
  /** CPU time of its tests and of the children that they waited for, in milliseconds. */
  cpuMs: number
  passed: number
  failed: number
  skipped: number
}

/** What a process of tests came to. */
export interface ProcessRecord {
  files: Record<string, FileRecord>
  /** CPU time of the process and of the children that it has waited for, in milliseconds. */
  cpuMs: number
}

/** A reporter for Node's test runner: one line of JSON, a {@link ProcessRecord}, when all is done. */
// oxlint-disable-next-line import/no-default-export -- Node takes a reporter's default export.
export default async function* recorder(source: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  const files: Record<string, FileRecord> = {}
  let spentMs = cpuMs()
  for await (const { type, data } of source) {
    if (type !== 'test:pass' && type !== 'test:fail') continue
    const beforeMs = spentMs
    if (data.nesting === 0) spentMs = cpuMs()
    // What entry.ts waits with.
    if (/\bscripts.tests.entry\.\w+$/.test(data.file ?? '')) continue
    const record = (files[data.file ?? ''] ??= nothing())
    if (data.nesting === 0) {
      record.ms += data.details.duration_ms
      record.cpuMs += spentMs - beforeMs
    }
    if (data.details.type === 'suite') continue
    if (type === 'test:fail') record.failed += 1
    else if (data.skip !== undefined) record.skipped += 1
    else record.passed += 1
  }
  yield `${JSON.stringify({ files, cpuMs: cpuMs() } satisfies ProcessRecord)}\n`
}

function nothing(): FileRecord {
  return { ms: 0, cpuMs: 0, passed: 0, failed: 0, skipped: 0 }
}

function cpuMs(): number {
  try {
    // proc(5): utime, stime, cutime and cstime, in hundredths of a second.
    const fields = readFileSync('/proc/self/stat', 'utf8')
      .replace(/^.*\) /, '')
      .split(' ')
    return fields.slice(11, 15).reduce((sum, ticks) => sum + Number(ticks) * 10, 0)
  } catch {
    const { user, system } = process.cpuUsage()
    return (user + system) / 1000
  }
}
