import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, existsSync, openSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { fileOf, type Code } from './compile.ts'
import { endMarked, MARK } from './leftovers.ts'
import type { ProcessRecord } from './recorder.ts'

export interface TestProcess {
  code: Code
  /** Named as in the checkout. */
  testFiles: readonly string[]
  /** Options for Node, like `--test-name-pattern=…`. */
  options: readonly string[]
  env: Readonly<Record<string, string>>
  /** The process and its children are killed after this time. */
  timeoutMs: number
  /** An empty folder for what it writes. */
  folder: string
  /** A program that starts Node, with its arguments: `setpriv --reuid=1000`. Default: none. */
  starter?: readonly string[]
  /** Whether its output is shown as it comes, instead of being kept. */
  isShown: boolean
}

export interface Outcome {
  /** Exit code 0 in time. */
  isPassed: boolean
  /** Wall time in milliseconds. */
  ms: number
  /** `null`: the process ended before it wrote one. */
  record: ProcessRecord | null
  /** The kept output. */
  output: string
  /** Processes that the tests had left running: their command lines. */
  leftovers: readonly string[]
}

/** Runs test files in one process, and ends whatever they have started and left running. */
export async function runTestProcess(one: TestProcess): Promise<Outcome> {
  const started = performance.now()
  const recordFile = path.join(one.folder, 'record.json')
  const outputFile = path.join(one.folder, 'output.txt')
  const output = openSync(outputFile, 'a')
  const stream = one.isShown ? 'inherit' : output
  const [program, ...args] = [
    ...(one.starter ?? []),
    process.execPath,
    ...nodeArguments(one, recordFile),
  ] as const
  const child = spawn(program!, args, {
    env: { ...one.env, [MARK]: one.folder },
    // Not a pipe: a program that is left running would hold it open.
    stdio: ['ignore', stream, stream],
  })
  closeSync(output)
  let isLate = false
  const timer = setTimeout(() => {
    isLate = true
    child.kill('SIGKILL')
  }, one.timeoutMs)
  const [exitCode] = (await once(child, 'exit')) as [number | null]
  clearTimeout(timer)
  const text = readFileSync(outputFile, 'utf8')
  return {
    isPassed: exitCode === 0,
    ms: performance.now() - started,
    record: existsSync(recordFile) ? parsed(readFileSync(recordFile, 'utf8')) : null,
    output: isLate ? `${text}\nnot done after ${one.timeoutMs / 1000} s\n` : text,
    leftovers: endMarked(one.folder),
  }
}

function nodeArguments({ code, testFiles, options }: TestProcess, recordFile: string): string[] {
  const file = (name: string): string => fileOf(code, name)
  const loader =
    code.extension === '.ts' ? ['--import', import.meta.resolve('tsx')] : ['--enable-source-maps']
  return [
    ...loader,
    '--test-reporter=spec',
    '--test-reporter-destination=stdout',
    `--test-reporter=${file('scripts/tests/recorder.ts')}`,
    `--test-reporter-destination=${recordFile}`,
    ...options,
    file('scripts/tests/entry.ts'),
    ...testFiles.map(file),
  ]
}

function parsed(text: string): ProcessRecord | null {
  return text === '' ? null : (JSON.parse(text) as ProcessRecord)
}
