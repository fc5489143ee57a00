import { readFile, writeFile } from 'node:fs/promises'
import path from 'node:path'

/** What the stand-in does; everything else succeeds. */
export interface Script {
  /** Batches larger than this end in CTranslate2's text for a lack of GPU memory. */
  largestBatch?: number
  /** So many requests to transcribe are never answered, over all processes. */
  hangs?: number
  /** What it says it holds after each request of one process, in bytes; the last one holds on. */
  bytes?: number[]
  /** Printed instead of an event. */
  junk?: string
}

export interface ScriptedWorker {
  /** Stands in for a Python: it ignores the program that it is given, and speaks its protocol. */
  interpreter: string
  /** Every request so far, and the process that took it. */
  requests(): Promise<({ pid: number; op: string } & Record<string, unknown>)[]>
}

/** A stand-in for Python with `faster-whisper-worker.py`: the same lines of JSON, and no recognition. */
export async function scriptedWorker(folder: string, script: Script): Promise<ScriptedWorker> {
  const interpreter = path.join(folder, 'python-stand-in')
  const log = path.join(folder, 'requests.ndjson')
  await writeFile(log, '')
  await writeFile(interpreter, program(log, script), { mode: 0o755 })
  return {
    interpreter,
    async requests() {
      const lines = (await readFile(log, 'utf8')).trim().split('\n')
      return lines.filter((line) => line !== '').map((line) => JSON.parse(line) as never)
    },
  }
}

function program(log: string, script: Script): string {
  return `#!${process.execPath}
const { appendFileSync, readFileSync } = require('node:fs')
const script = ${JSON.stringify(script)}
const log = ${JSON.stringify(log)}
let done = 0
const tell = (event) => process.stdout.write(JSON.stringify(event) + '\\n')
const fail = (text) => process.stdout.write(JSON.stringify({ event: 'failed', text }) + '\\n', () => process.exit(1))
require('node:readline').createInterface({ input: process.stdin }).on('line', (line) => {
  const request = JSON.parse(line)
  appendFileSync(log, JSON.stringify({ pid: process.pid, ...request }) + '\\n')
  const asked = readFileSync(log, 'utf8').split('\\n').filter((one) => one.includes('"transcribe"')).length
  if (script.junk !== undefined) return process.stdout.write(script.junk + '\\n')
  if (request.op === 'load') return tell({ event: 'done', bytes: null })
  if (request.op === 'detect') {
    const languages = request.wavs.map(() => ({ language: 'de', probability: 0.75 }))
    return tell({ event: 'done', bytes: null, languages })
  }
  if (asked <= (script.hangs ?? 0)) return
  if (request.batch > (script.largestBatch ?? Infinity)) {
    return fail('Traceback (most recent call last)\\nRuntimeError: CUDA failed with error out of memory')
  }
  request.windows.forEach(([start, end], at) => {
    tell({ event: 'segment', start, end, text: ' window ' + at, avg_logprob: -0.2, words: [] })
  })
  const bytes = script.bytes?.[Math.min(done++, script.bytes.length - 1)] ?? null
  tell({ event: 'done', bytes, language: 'en', probability: 0.9 })
}).on('close', () => process.exit(0))
`
}
