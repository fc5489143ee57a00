import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { runChild } from '../../agent/process/run-child.ts'
import { childEnv } from '../../shared/child-env.ts'
import { childrenCpuSeconds } from './cpu-time.ts'

/** Compiled, as it is published. */
const AGENT = fileURLToPath(new URL('../../dist/agent/cli.js', import.meta.url))

export interface Cost {
  /** Seconds on the clock. */
  wall: number
  /** Seconds of one processor: wall time means little on a machine that others use as well. */
  cpu: number
}

/** @returns what the program wrote to `output`, and its cost. @throws when it fails, or wrote nothing. */
export async function costOf(
  file: string,
  args: readonly string[],
  env: Record<string, string>,
  output: string,
): Promise<Cost & { text: string }> {
  const before = childrenCpuSeconds()
  const from = performance.now()
  const { exitCode, stderrTail } = await runChild(file, args, {
    signal: new AbortController().signal,
    env: childEnv(env),
  })
  const cost = {
    wall: (performance.now() - from) / 1000,
    cpu: childrenCpuSeconds() - before,
  }
  // Exit code 0 is no proof: whisper-cli ends so with a file that it cannot read.
  const text = await readFile(output, 'utf8').catch(() => '')
  if (exitCode !== 0 || text === '') throw new Error(`${file} failed:\n${stderrTail}`)
  return { ...cost, text }
}

/** `morag-agent transcribe`, in English; the text is its JSON. */
export async function costOfAgent(
  wavPath: string,
  flags: readonly string[],
  output: string,
): Promise<Cost & { text: string }> {
  const asked = ['--language', 'en', '--format', 'json', '--output', output]
  return await costOf(
    process.execPath,
    [AGENT, 'transcribe', wavPath, ...asked, ...flags],
    {},
    output,
  )
}
