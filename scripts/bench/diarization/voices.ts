import { mkdir, readdir, readFile } from 'node:fs/promises'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { execa } from 'execa'
import { uncovered } from '../../../shared/span.ts'
import { WavReader } from '../../../agent/audio/wav.ts'
import { readRttm } from '../../../agent/diarization/rttm.ts'
import type { Turn } from '../../../agent/diarization/turns.ts'
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

/** The voices of meetings, and of the clips that come along: only what they say alone. */
export async function voicesOf(all: readonly Meeting[]): Promise<Map<string, Voice>> {
  const voices = new Map<string, Voice>()
  const add = (name: string, stretch: Float32Array): void => {
    const voice = voices.get(name) ?? { name, stretches: [] }
    voice.stretches.push(stretch)
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
  for (const clip of ['jfk', 'austen']) {
    const asset = fileURLToPath(new URL(`../../../agent/assets/${clip}.wav`, import.meta.url))
    const samples = await readSamples(asset)
    for (let at = 0; at + 2 <= samples.length / RATE; at += 3.5)
      add(clip, cut(samples, at, at + 3.5))
  }
  return voices
}

async function readSamples(wavPath: string): Promise<Float32Array> {
  const reader = await WavReader.open(wavPath)
  try {
    const blocks: Float32Array[] = []
    for await (const block of reader.blocks(reader.header.samples)) blocks.push(block.slice())
    return blocks[0] ?? new Float32Array()
  } finally {
    await reader.close()
  }
}

function cut(samples: Float32Array, start: number, end: number): Float32Array {
  return samples.slice(Math.round(start * RATE), Math.round(end * RATE))
}
