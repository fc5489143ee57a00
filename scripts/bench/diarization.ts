import { mkdir, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { execa } from 'execa'
import { openTools } from '../../agent/media/open-tools.ts'
import { modelsDir } from '../../agent/paths.ts'
import { diarize } from '../../agent/diarization/sherpa-diarize.ts'
import { SHERPA_DEFAULTS, TUNED, type Tuning } from '../../agent/diarization/diarization.ts'
import { pruneSpeakers, type Turn } from '../../agent/diarization/turns.ts'
import { speakerModels, type SpeakerModels } from '../engines/speaker-models.ts'
import { wavOf } from './clips.ts'
import { childrenCpuSeconds } from './cpu-time.ts'
import { converse } from './diarization/conversations.ts'
import { diarizationError, rateOf, sumOf } from './diarization/error.ts'
import { meetings, voicesOf } from './diarization/voices.ts'
import type { Measure } from './report.ts'

const signal = new AbortController().signal
const COLLAR = 0.25
/** Not among those that the settings were chosen with. */
const VOICES = ['FEE078', 'MEE012', 'MEE075', 'FEO072', 'FEO070', 'MEE073', 'austen']
const SPOILT = ['as it is', 'noise at 20 dB', 'noise at 10 dB', 'by telephone'] as const
const SECONDS = 90

interface Recording {
  wavPath: string
  seconds: number
  turns: Turn[]
}

/**
 * How well speakers are told apart, by real models on voices of real people: conversations put together of stretches
 * in which one speaks alone, and meetings as they were.
 */
export async function diarization(folder: string): Promise<Measure[]> {
  const options = { signal, say: (line: string) => console.error(line) }
  const models = await speakerModels(options)
  const settings = { ffmpeg: null, sandbox: 'none' } as const
  const { ffmpeg } = await openTools(settings, { dir: modelsDir(), signal })
  const all = await meetings(ffmpeg, options)
  const voices = await voicesOf(all)
  const measures: Measure[] = []
  for (const count of [2, 3, 4, 5]) {
    const recordings: Recording[] = []
    for (const [i, how] of SPOILT.entries()) {
      const seed = count * 100 + i
      const chosen = VOICES.map((_, at) => VOICES[(at * 3 + seed) % VOICES.length]!).slice(0, count)
      const noise = how === 'noise at 20 dB' ? 20 : how === 'noise at 10 dB' ? 10 : null
      const plan = { seed, seconds: SECONDS, overlapShare: 0.15, noise }
      const { samples, turns } = converse(
        chosen.map((name) => voices.get(name)!),
        plan,
      )
      const wavPath = path.join(folder, `conversation-${seed}.wav`)
      await writeFile(wavPath, wavOf(samples))
      recordings.push({
        wavPath: how === 'by telephone' ? await byTelephone(ffmpeg, wavPath) : wavPath,
        seconds: SECONDS,
        turns,
      })
    }
    const promise = count === 2 ? 12 : 18
    measures.push(...(await compare(`${count} speakers`, recordings, models, promise)))
  }
  const real = all.filter(({ turns }) => turns.length > 1)
  const recordings = real.map(({ wavPath, turns }) => ({ wavPath, seconds: 30, turns }))
  measures.push(...(await compare('meetings of 2 to 4, far microphones', recordings, models, null)))
  return measures
}

async function compare(
  title: string,
  recordings: readonly Recording[],
  models: SpeakerModels,
  promise: number | null,
): Promise<Measure[]> {
  const measures: Measure[] = []
  for (const [name, tuning] of [
    ['tuned', TUNED],
    ["sherpa-onnx's defaults", SHERPA_DEFAULTS],
  ] as const) {
    const { rate, exact, right, secondsPerHour } = await measure(recordings, models, tuning)
    const value = `${percent(rate)} (${percent(exact)} without collar)`
    const held =
      promise === null || tuning !== TUNED
        ? {}
        : { promise: `at most ${promise} %`, kept: rate * 100 <= promise }
    measures.push(
      { name: `${title}, ${name}: error rate`, value, ...held },
      { name: `${title}, ${name}: number found`, value: `${right} of ${recordings.length}` },
      { name: `${title}, ${name}: CPU for an hour`, value: `${secondsPerHour.toFixed(0)} s` },
    )
  }
  return measures
}

async function measure(
  recordings: readonly Recording[],
  models: SpeakerModels,
  tuning: Tuning,
): Promise<{ rate: number; exact: number; right: number; secondsPerHour: number }> {
  const cpu = childrenCpuSeconds()
  const found: (Recording & { found: Turn[] })[] = []
  for (const recording of recordings) {
    const request = { ...models, min: null, max: null, tuning, signal }
    const turns = pruneSpeakers(await diarize(recording.wavPath, request))
    found.push({ ...recording, found: turns })
  }
  const seconds = recordings.reduce((sum, one) => sum + one.seconds, 0)
  const rate = (collar: number): number =>
    rateOf(sumOf(found.map((one) => diarizationError(one.turns, one.found, { collar }))))
  return {
    rate: rate(COLLAR),
    exact: rate(0),
    right: found.filter((one) => speakersIn(one.turns) === speakersIn(one.found)).length,
    secondsPerHour: ((childrenCpuSeconds() - cpu) / seconds) * 3600,
  }
}

async function byTelephone(ffmpeg: string, wavPath: string): Promise<string> {
  const folder = path.join(path.dirname(wavPath), 'telephone')
  await mkdir(folder, { recursive: true })
  const target = path.join(folder, path.basename(wavPath))
  const filter = 'highpass=f=300,lowpass=f=3400,aresample=8000,aresample=16000'
  await execa(ffmpeg, ['-v', 'error', '-y', '-i', wavPath, '-af', filter, '-ar', '16000', target])
  return target
}

function speakersIn(turns: readonly Turn[]): number {
  return new Set(turns.map(({ speaker }) => speaker)).size
}

function percent(rate: number): string {
  return `${(rate * 100).toFixed(1)} %`
}
