import { mkdir, readdir, readFile, rm, stat } from 'node:fs/promises'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { execa } from 'execa'
import { uncovered } from '../../../shared/span.ts'
import { WavReader } from '../../../agent/audio/wav.ts'
import { readRttm } from '../../../agent/diarization/rttm.ts'
import type { Turn } from '../../../agent/diarization/turns.ts'
import { unpackDeb } from '../../engines/deb.ts'
import { once, type PrepareOptions } from '../../engines/once.ts'
import { unpackPackage, type PackageFile } from '../../engines/package-file.ts'

/** Its tests hold 30 seconds each of 14 meetings of the AMI corpus (CC BY 4.0), with who speaks when. */
const MEETINGS: PackageFile = {
  project: 'pyannote-audio',
  file: 'pyannote_audio-4.0.7.tar.gz',
  sha256: '3a903dfb5ca711d134cc2522561c9158b186836f5d62e8a57c46c6648e8a8229',
}
const SETS = ['development', 'test', 'train'] as const
const SECONDS = 30
const RATE = 16_000
/** Shorter ones are no turn of a conversation. */
const LEAST_ALONE = 1
const MOST_ALONE = 8

export interface Meeting {
  name: string
  set: (typeof SETS)[number]
  /** 16 kHz, mono, 16 bit. */
  wavPath: string
  turns: Turn[]
}

/** Stretches of one voice alone: samples at 16 kHz, −1 to 1. */
export interface Voice {
  name: string
  stretches: Float32Array[]
}

/** @param ffmpeg its path: the recordings hold floating-point samples. */
export async function meetings(ffmpeg: string, options: PrepareOptions): Promise<Meeting[]> {
  const folder = await once(
    'ami-excerpts',
    async (made) => await unpackPackage(MEETINGS, made, options.signal),
    options,
  )
  const data = path.join(folder, 'pyannote_audio-4.0.7', 'tests', 'data')
  const files = await readdir(data)
  const sounds = path.join(folder, 'sounds')
  await mkdir(sounds, { recursive: true })
  const all: Meeting[] = []
  for (const set of SETS) {
    const lines = (await readFile(path.join(data, `debug.${set}.rttm`), 'utf8')).split('\n')
    const names = new Set(lines.filter((line) => line !== '').map((line) => line.split(' ')[1]!))
    for (const name of names) {
      const source = files.find((file) => plain(file) === `${name}.wav`)!
      const wavPath = path.join(sounds, `${name}.wav`)
      const args = ['-v', 'error', '-y', '-i', path.join(data, source), '-c:a', 'pcm_s16le']
      await execa(ffmpeg, [...args, wavPath])
      const turns = readRttm(lines.filter((line) => line.split(' ')[1] === name).join('\n'))
        .map((turn) => ({ ...turn, end: Math.min(SECONDS, turn.end) }))
        .filter(({ start, end }) => end > start)
      all.push({ name, set, wavPath, turns })
    }
  }
  return all
}

/** One file has an accent in its name, to test that. */
function plain(name: string): string {
  return name.normalize('NFD').replaceAll(/\p{M}/gu, '')
}

/** Debian packages with sentences of one person each: announcements, and a book of LibriVox. */
const RECORDED = {
  Allison: 'asterisk-core-sounds-en-g722',
  June: 'asterisk-core-sounds-fr-g722',
  Carlo: 'asterisk-core-sounds-it-g722',
  Irina: 'asterisk-core-sounds-ru-g722',
  austen: 'pocketsphinx-testdata',
} as const
const SENTENCES = 12

/**
 * Voices of real people, with what each says alone: recorded sentences, and people of meetings.
 * @throws {AppError} `engine_missing` where `apt-get download` cannot fetch the sentences.
 */
export async function voicesOf(
  all: readonly Meeting[],
  ffmpeg: string,
  options: PrepareOptions,
): Promise<Map<string, Voice>> {
  const voices = new Map<string, Voice>()
  const add = (name: string, stretch: Float32Array): void => {
    const voice = voices.get(name) ?? { name, stretches: [] }
    for (let at = 0; at === 0 || at + LEAST_ALONE * RATE < stretch.length; at += MOST_ALONE * RATE)
      voice.stretches.push(stretch.subarray(at, at + MOST_ALONE * RATE))
    voices.set(name, voice)
  }
  for (const { wavPath, turns } of all) {
    const samples = await readSamples(wavPath)
    for (const turn of turns) {
      const others = turns.filter(({ speaker }) => speaker !== turn.speaker)
      for (const { start, end } of uncovered(turn, others)) {
        if (end - start >= LEAST_ALONE) add(turn.speaker, cut(samples, start, end))
      }
    }
  }
  const jfk = fileURLToPath(new URL('../../../agent/assets/jfk.wav', import.meta.url))
  add('jfk', await readSamples(jfk))
  for (const [name, files] of await recordedVoices(ffmpeg, options)) {
    for (const file of files) add(name, await readSamples(file))
  }
  return voices
}

/** Sentences of the voices of `RECORDED`, as WAV files. */
export async function recordedVoices(
  ffmpeg: string,
  options: PrepareOptions,
): Promise<Map<string, string[]>> {
  const make = async (made: string): Promise<void> => {
    for (const [name, deb] of Object.entries(RECORDED)) {
      const folder = path.join(made, name)
      const work = path.join(made, 'work')
      await mkdir(work)
      await mkdir(folder)
      await unpackDeb(deb, work, options)
      for (const source of await sentencesIn(work)) {
        const target = path.join(folder, `${path.parse(source).name}.wav`)
        await execa(ffmpeg, ['-v', 'error', '-i', source, '-c:a', 'pcm_s16le', target])
      }
      await rm(work, { recursive: true })
    }
  }
  const folder = await once('recorded-voices', make, options)
  const found = new Map<string, string[]>()
  for (const name of Object.keys(RECORDED)) {
    const files = await readdir(path.join(folder, name))
    found.set(
      name,
      files.toSorted().map((file) => path.join(folder, name, file)),
    )
  }
  return found
}

/** Of the sounds of a package the first that have the length of a sentence: not digits, letters and silence. */
async function sentencesIn(folder: string): Promise<string[]> {
  const files = await readdir(folder, { recursive: true })
  const found: string[] = []
  for (const file of files.toSorted()) {
    if (!/(librivox\/[^/]*\.wav|_[^/]*\/[^/]*\.g722)$/.test(file)) continue
    const source = path.join(folder, file)
    const seconds = (await stat(source)).size / (file.endsWith('.wav') ? 32_000 : 8_000)
    if (seconds >= 3 && seconds <= 12) found.push(source)
  }
  return found.slice(0, SENTENCES)
}

async function readSamples(wavPath: string): Promise<Float32Array> {
  const reader = await WavReader.open(wavPath)
  try {
    return await reader.read(0, reader.header.samples)
  } finally {
    await reader.close()
  }
}

function cut(samples: Float32Array, start: number, end: number): Float32Array {
  return samples.slice(Math.round(start * RATE), Math.round(end * RATE))
}
