import { mkdir, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { execa } from 'execa'
import { openTools } from '../../agent/media/open-tools.ts'
import { modelsDir } from '../../agent/paths.ts'
import { diarize } from '../../agent/diarization/sherpa-diarize.ts'
import { pruneSpeakers, type Turn } from '../../agent/diarization/turns.ts'
import { speakerModels } from '../engines/speaker-models.ts'
import { repeatClips, wavOf } from './clips.ts'
import { childrenCpuSeconds, cpuSecondsOf } from './cpu-time.ts'
import { converse } from './diarization/conversations.ts'
import { diarizationError, rateOf, sumOf } from './diarization/error.ts'
import { sherpaTurns } from './diarization/sherpa-defaults.ts'
import { meetings, voicesOf } from './diarization/voices.ts'
import { childrenPeak } from './memory.ts'
import type { Measure } from './report.ts'

const signal = new AbortController().signal
const COLLAR = 0.25
/** Not among those that the settings were chosen with: June, Carlo, jfk, FEE083, MÉO069. */
const VOICES = ['Allison', 'Irina', 'austen', 'FEE078', 'MEE009']
const SPOILT = ['as it is', 'noise at 20 dB', 'noise at 10 dB', 'by telephone'] as const
const SECONDS = 60
const COUNTS = [2, 3, 4, 5]
/** Of the conversations in which the number of speakers is right. */
const PROMISED_RIGHT = 0.8

interface Recording {
  wavPath: string
  seconds: number
  turns: Turn[]
}

interface Result extends Recording {
  found: Turn[]
}

type Diarizer = (wavPath: string) => Promise<Turn[]>

/**
 * How well speakers are told apart, by real models on voices of real people: conversations put together of stretches
 * in which one speaks alone, and meetings as they were. Beside it sherpa-onnx's own diarization as it comes.
 */
export async function diarization(folder: string): Promise<Measure[]> {
  const options = { signal, say: (line: string) => console.error(line) }
  const models = await speakerModels(options)
  const settings = { ffmpeg: null, sandbox: 'none' } as const
  const { ffmpeg } = await openTools(settings, { dir: modelsDir(), signal })
  const ours: Diarizer = async (wavPath) =>
    pruneSpeakers(await diarize(wavPath, { ...models, min: null, max: null, signal }))
  const theirs: Diarizer = async (wavPath) => await sherpaTurns(wavPath, models)
  const all = await meetings(ffmpeg, options)
  const voices = await voicesOf(all, ffmpeg, options)
  const measures: Measure[] = []
  const recordings: Recording[] = []
  const results: Result[] = []
  for (const count of COUNTS) {
    const said: Recording[] = []
    for (const [i, how] of SPOILT.entries()) {
      const seed = count * 100 + i * 7
      const chosen = VOICES.map((_, at) => VOICES[(at * 3 + seed) % VOICES.length]!).slice(0, count)
      const noise = how === 'noise at 20 dB' ? 20 : how === 'noise at 10 dB' ? 10 : null
      const plan = { seed, seconds: SECONDS, overlapShare: 0.15, noise }
      const { samples, turns } = converse(
        chosen.map((name) => voices.get(name)!),
        plan,
      )
      const made = path.join(folder, `conversation-${seed}.wav`)
      await writeFile(made, wavOf(samples))
      const wavPath = how === 'by telephone' ? await byTelephone(ffmpeg, made) : made
      said.push({ wavPath, seconds: SECONDS, turns })
    }
    const title = `${count} speakers`
    const { found, measures: more } = await measure(title, said, ours, count === 2 ? 12 : 18)
    const beside = await measure(`${title}, sherpa-onnx as it comes`, said, theirs)
    measures.push(...more, ...beside.measures)
    recordings.push(...said)
    results.push(...found)
  }
  const right = results.filter(isCountRight).length
  measures.push({
    name: 'number of speakers right, of all conversations',
    value: `${right} of ${results.length}`,
    promise: 'at least 80 %',
    kept: right >= results.length * PROMISED_RIGHT,
  })
  const real = all
    .filter(({ turns }) => turns.length > 1)
    .map(({ wavPath, turns }) => ({ wavPath, seconds: 30, turns }))
  const meeting = await measure('excerpts of meetings', real, ours)
  return [...measures, ...meeting.measures, ...(await memory(folder, recordings, ours))]
}

async function measure(
  title: string,
  recordings: readonly Recording[],
  diarizer: Diarizer,
  promise?: number,
): Promise<{ measures: Measure[]; found: Result[] }> {
  const before = cpuSecondsOf('self') + childrenCpuSeconds()
  const found: Result[] = []
  for (const one of recordings) found.push({ ...one, found: await diarizer(one.wavPath) })
  const cpu = cpuSecondsOf('self') + childrenCpuSeconds() - before
  const seconds = recordings.reduce((sum, one) => sum + one.seconds, 0)
  const errorOf = (collar: number) =>
    sumOf(found.map((one) => diarizationError(one.turns, one.found, { collar })))
  const error = errorOf(COLLAR)
  const { missed, falseAlarm, confused, total } = error
  const parts = [missed, falseAlarm, confused].map((part) => percent(part / total)).join(' + ')
  const rate = rateOf(error)
  const held =
    promise === undefined ? {} : { promise: `at most ${promise} %`, kept: rate * 100 <= promise }
  const measures = [
    { name: `${title}: error rate`, value: percent(rate), ...held },
    { name: '… missed + false alarm + confused', value: parts },
    { name: '… without collar', value: percent(rateOf(errorOf(0))) },
    {
      name: '… number of speakers right',
      value: `${found.filter(isCountRight).length} of ${found.length}`,
    },
    { name: '… CPU for an hour', value: `${((cpu / seconds) * 3600).toFixed(0)} s` },
  ]
  return { measures, found }
}

/** Of one conversation, and of all in one file. */
async function memory(
  folder: string,
  recordings: readonly Recording[],
  diarizer: Diarizer,
): Promise<Measure[]> {
  const long = path.join(folder, 'long.wav')
  const files = recordings.map(({ wavPath }) => wavPath)
  await repeatClips(files, 1, long)
  const peaks: number[] = []
  for (const file of [files[0]!, long]) {
    peaks.push(await childrenPeak(async () => void (await diarizer(file))))
  }
  const value = peaks.map((peak) => `${peak.toFixed(0)} MB`).join(', ')
  return [{ name: `memory for 1 minute, and for ${recordings.length} minutes`, value }]
}

async function byTelephone(ffmpeg: string, wavPath: string): Promise<string> {
  const folder = path.join(path.dirname(wavPath), 'telephone')
  await mkdir(folder, { recursive: true })
  const target = path.join(folder, path.basename(wavPath))
  const filter = 'highpass=f=300,lowpass=f=3400,aresample=8000,aresample=16000'
  await execa(ffmpeg, ['-v', 'error', '-y', '-i', wavPath, '-af', filter, '-ar', '16000', target])
  return target
}

function isCountRight({ turns, found }: Result): boolean {
  const count = (all: readonly Turn[]): number => new Set(all.map(({ speaker }) => speaker)).size
  return count(turns) === count(found)
}

function percent(rate: number): string {
  return `${(rate * 100).toFixed(1)} %`
}
