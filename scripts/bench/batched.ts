import type { Engine } from '../../agent/engines/engine.ts'
import { wordErrors } from '../../agent/wer.ts'
import { childrenCpuSeconds } from './cpu-time.ts'
import { openFasterWhisper, recognised } from './faster-whisper.ts'
import { ffmpegHere } from './ffmpeg.ts'
import type { Measure } from './report.ts'
import { tenMinutes, type Speech } from './speech.ts'

const BATCH = 8
/** In points of the word error rate. */
const ALLOWED_POINTS = 0.5

interface Run {
  wall: number
  cpu: number
  text: string
  /** In per cent. */
  errorRate: number
}

/** Ten minutes by faster-whisper: one window after the other, and in batches. */
export async function batchedCost(folder: string): Promise<Measure[]> {
  const whisper = await openFasterWhisper(folder)
  const speech = await tenMinutes(await ffmpegHere(), folder)
  const sequential = await run(await whisper.resident(), speech, folder)
  const batched = await run(await whisper.resident(BATCH), speech, folder)
  const changed = wordErrors(sequential.text, batched.text)
  const points = batched.errorRate - sequential.errorRate
  return [
    ...rows('10 minutes, window after window', sequential),
    ...rows(`10 minutes, in batches of ${BATCH}`, batched),
    {
      name: '… so many times as fast (wall)',
      value: (sequential.wall / batched.wall).toFixed(2),
      promise: 'faster',
      kept: batched.wall < sequential.wall,
    },
    { name: '… words changed', value: `${changed.errors} of ${changed.words}` },
    {
      name: '… word error rate, in points',
      value: `${points >= 0 ? '+' : ''}${points.toFixed(2)}`,
      promise: `at most +${ALLOWED_POINTS}`,
      kept: points <= ALLOWED_POINTS,
    },
  ]
}

function rows(name: string, { wall, cpu, errorRate }: Run): Measure[] {
  return [
    { name: `${name}: wall`, value: `${wall.toFixed(1)} s` },
    { name: '… CPU', value: `${cpu.toFixed(1)} s` },
    { name: '… word error rate', value: `${errorRate.toFixed(2)} %` },
  ]
}

/** The model is loaded before the clock runs: {@link residentCost} measures that. */
async function run(engine: Engine, speech: Speech, folder: string): Promise<Run> {
  const cpu = childrenCpuSeconds()
  try {
    await engine.prepare({ index: 0, gpu: null }, new AbortController().signal)
    const from = performance.now()
    const { text } = await recognised(engine, speech, folder)
    const wall = (performance.now() - from) / 1000
    await engine.close()
    const { errors, words } = wordErrors(speech.text, text)
    return { wall, cpu: childrenCpuSeconds() - cpu, text, errorRate: (errors / words) * 100 }
  } finally {
    await engine.close()
  }
}
