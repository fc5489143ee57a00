import path from 'node:path'
import { execa } from 'execa'
import { readWavHeader } from '../../agent/audio/wav.ts'
import type { Span } from '../../shared/span.ts'
import { CLIPS } from '../../agent/selftest/clips.ts'
import { repeatClips } from './clips.ts'

/** What is done to the clips, so that no two of them sound alike. */
const TEMPOS = [0.92, 1, 1.08]
const EFFECTS = [
  'anull',
  'highpass=f=300,lowpass=f=3400',
  'volume=-20dB',
  'aecho=0.8:0.6:40:0.3',
  'asetrate=15200,aresample=16000',
]
const PAUSE_SECONDS = 0.7

export interface Speech {
  wavPath: string
  durationSeconds: number
  /** Where somebody speaks, in seconds. */
  speech: Span[]
  text: string
}

/** About ten minutes of the two bundled clips: each in fifteen sounds, with pauses, twice over. */
export async function tenMinutes(ffmpeg: string, folder: string, times = 2): Promise<Speech> {
  const parts: { file: string; text: string | null }[] = []
  const silence = ['-f', 'lavfi', '-i', 'anullsrc=r=16000:cl=mono', '-t', String(PAUSE_SECONDS)]
  const pause = await made(ffmpeg, folder, 'pause.wav', silence)
  for (const [n, tempo] of TEMPOS.entries()) {
    for (const [m, effect] of EFFECTS.entries()) {
      for (const { name, file, text } of CLIPS) {
        const sound = `${n}-${m}-${name}`
        const filter = `${effect},atempo=${tempo}`
        const args = ['-i', file, '-af', filter, '-ar', '16000', '-ac', '1']
        parts.push({ file: await made(ffmpeg, folder, sound, args), text })
        parts.push({ file: pause, text: null })
      }
    }
  }
  const wavPath = path.join(folder, 'ten-minutes.wav')
  const files = parts.map(({ file }) => file)
  await repeatClips(files, times, wavPath)
  const lengths = new Map<string, number>()
  for (const file of files) lengths.set(file, (await readWavHeader(file)).durationSeconds)
  const speech: Span[] = []
  const texts: string[] = []
  let at = 0
  for (const { file, text } of Array.from({ length: times }, () => parts).flat()) {
    const start = at
    at += lengths.get(file)!
    if (text === null) continue
    speech.push({ start, end: at })
    texts.push(text)
  }
  return { wavPath, durationSeconds: at, speech, text: texts.join(' ') }
}

async function made(
  ffmpeg: string,
  folder: string,
  name: string,
  args: readonly string[],
): Promise<string> {
  const file = path.join(folder, name)
  await execa(ffmpeg, ['-v', 'error', '-y', ...args, '-c:a', 'pcm_s16le', file])
  return file
}
