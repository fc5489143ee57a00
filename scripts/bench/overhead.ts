import { mkdir } from 'node:fs/promises'
import path from 'node:path'
import type { Engine, SpeechOptions } from '../../agent/engines/engine.ts'
import { CLIPS } from '../../agent/selftest/clips.ts'
import { repeatClips } from './clips.ts'
import { costOf, costOfAgent } from './program-cost.ts'
import type { Measure } from './report.ts'

/** Both clips last 18.1 seconds together: ten minutes. */
const TURNS = 33
/** What is said once in each turn: an engine that does nothing is found. */
const SAID = /fellow Americans/g
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
  const whole = await costOfAgent(wav, flags, path.join(folder, 'out.json'))
  for (const { text } of [bare, whole]) {
    const turns = text.match(SAID)?.length ?? 0
    if (turns < TURNS * 0.9) throw new Error(`${turns} of ${TURNS} turns were recognised`)
  }
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
    { name: 'on the clock', value: `${bare.wall.toFixed(0)} → ${whole.wall.toFixed(0)} s` },
  ]
}
