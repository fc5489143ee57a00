import { rmSync } from 'node:fs'
import { chown, mkdir } from 'node:fs/promises'
import path from 'node:path'
import { nameOf } from './compile.ts'
import { endMarked } from './leftovers.ts'
import type { Ended } from './report.ts'
import { runTestProcess, type Outcome, type TestProcess } from './test-process.ts'

export interface PoolOptions extends Pick<
  TestProcess,
  'code' | 'options' | 'env' | 'timeoutMs' | 'starter'
> {
  root: string
  /** How many processes run at a time. */
  slots: number
  /** An empty folder for what they write. */
  folder: string
  onEnded: (ended: Ended) => void
  /** The user id that the folders of the processes belong to. Default: this process's. */
  owner?: number
}

/**
 * Runs processes of tests, `slots` at a time and in the order of `queue`: each entry is the test files of one process,
 * as they are named in the checkout. A signal ends them all and what they have started.
 */
export async function runPool(
  queue: readonly (readonly string[])[],
  { root, slots, folder, onEnded, owner, ...rest }: PoolOptions,
): Promise<Ended[]> {
  const ended: Ended[] = []
  const folders = queue.map((_, index) => path.join(folder, String(index)))
  const endAll = (): void => {
    for (const one of folders) endMarked(one)
    rmSync(folder, { recursive: true, force: true })
    process.exit(1)
  }
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const
  for (const signal of signals) process.once(signal, endAll)

  const named = ({ record, ...outcome }: Outcome): Outcome => ({
    ...outcome,
    record: record && {
      ...record,
      files: Object.fromEntries(
        Object.entries(record.files).map(([file, one]) => [nameOf(rest.code, root, file), one]),
      ),
    },
  })
  const entries = queue.entries()
  const work = async (): Promise<void> => {
    for (const [index, testFiles] of entries) {
      const own = folders[index]!
      await mkdir(own)
      if (owner !== undefined) await chown(own, owner, owner)
      const isShown = queue.length === 1
      const outcome = await runTestProcess({ ...rest, testFiles, folder: own, isShown })
      const one = checked({ ...named(outcome), testFiles }, rest.options)
      ended.push(one)
      onEnded(one)
    }
  }
  await Promise.all(Array.from({ length: slots }, work))
  for (const signal of signals) process.off(signal, endAll)
  return ended
}

/** A file of which no test was reported has not passed, unless options have chosen among the tests. */
function checked(ended: Ended, options: readonly string[]): Ended {
  const reported = ended.record?.files ?? {}
  const silent = ended.testFiles.filter((name) => reported[name] === undefined)
  if (silent.length === 0 || options.length > 0) return ended
  return {
    ...ended,
    isPassed: false,
    output: `${ended.output}\nno test was reported of ${silent.join(', ')}\n`,
  }
}
