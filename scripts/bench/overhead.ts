import { mkdir, readFile } from 'node:fs/promises'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { runChild } from '../../agent/process/run-child.ts'
import type { Engine, SpeechOptions } from '../../agent/engines/engine.ts'
import { childEnv } from '../../shared/child-env.ts'
import { CLIPS } from '../../agent/selftest/clips.ts'
import { repeatClips } from './clips.ts'
import { childrenCpuSeconds } from './cpu-time.ts'
import type { Measure } from './report.ts'

/** Both clips last 18.1 seconds together: ten minutes. */
const TURNS = 33
/** What is said once in each turn: an engine that does nothing is found. */
const SAID = /fellow Americans/g
const AGENT = fileURLToPath(new URL('../../dist/agent/cli.js', import.meta.url))
const OPTIONS: SpeechOptions = {
  language: 'en',
  task: 'transcribe',
  prompt: null,
  hotwords: null,
  words: false,
  speakers: null,
  model: null,
}

/**
 * Ten minutes of speech by the bare program, and by the whole agent with the same program, model and flags.
 * @param engine of one process per piece
 * @param flags the agent's flags for the same
 */
export async function overhead(
  engine: Engine,
  flags: readonly string[],
  folder: string,
): Promise<Measure[]> {
  const work = path.join(folder, 'bare')
  await mkdir(work)
  // Where the engine's own plan has its piece, and its output.
  const wav = path.join(work, 'piece.wav')
  await repeatClips(
    CLIPS.map(({ file }) => file),
    TURNS,
    wav,
  )
  const [plan] = engine.plans?.(OPTIONS, work) ?? []
  if (plan === undefined) throw new Error(`${engine.info.name} has no plan`)
  const bare = await costOf(plan.file, plan.args, plan.env, path.join(work, 'out.json'))
  const output = path.join(folder, 'out.json')
  const asked = ['--language', 'en', '--format', 'json', '--output', output]
  const args = [AGENT, 'transcribe', wav, ...asked, ...flags]
  const whole = await costOf(process.execPath, args, {}, output)
  const share = whole.cpu / bare.cpu - 1
  const seconds = (value: number): string => `${value.toFixed(1)} s`
  return [
    { name: 'whisper-cli alone, 10 minutes: CPU time', value: seconds(bare.cpu) },
    { name: 'the agent with it: CPU time', value: seconds(whole.cpu) },
    {
      name: 'the agent costs beside its engine',
      value: `${(share * 100).toFixed(1)} %`,
      promise: 'less than 5 %',
      kept: share < 0.05,
    },
    { name: 'on the clock', value: `${bare.clock.toFixed(0)} → ${whole.clock.toFixed(0)} s` },
  ]
}

/** CPU time, because wall time means little on a machine that others use as well. */
async function costOf(
  file: string,
  args: readonly string[],
  env: Record<string, string>,
  output: string,
): Promise<{ clock: number; cpu: number }> {
  const before = childrenCpuSeconds()
  const from = performance.now()
  const { exitCode, stderrTail } = await runChild(file, args, {
    signal: new AbortController().signal,
    env: childEnv(env),
  })
  const cost = {
    clock: (performance.now() - from) / 1000,
    cpu: childrenCpuSeconds() - before,
  }
  // Exit code 0 is no proof: whisper-cli ends so with a file that it cannot read.
  const text = await readFile(output, 'utf8').catch(() => '')
  const turns = text.match(SAID)?.length ?? 0
  if (exitCode !== 0 || turns < TURNS * 0.9) {
    throw new Error(`${file} has ${turns} of ${TURNS} turns:\n${stderrTail}`)
  }
  return cost
}
