import { writeFile } from 'node:fs/promises'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Span } from '../../shared/span.ts'
import { RATE } from '../../shared/wav-header.ts'
import { joinWavs } from '../../agent/audio/wav-write.ts'
import { readWavHeader } from '../../agent/audio/wav.ts'
import { CLIPS, ffmpeg } from '../agent/fixtures.ts'

const { jfk, austen } = CLIPS

/** A recording whose speech is known. */
export interface Scene {
  file: string
  /** What is said, and between which seconds. */
  said: { text: string; start: number; end: number }[]
}

/** Ten seconds of silence, a tone and pink noise: without speech. */
export async function withoutSpeech(folder: string): Promise<string> {
  return await ffmpeg`-f lavfi -t 10 -i anullsrc=r=16000:cl=mono -f lavfi -i sine=f=440:r=16000:d=5
    -f lavfi -i anoisesrc=c=pink:a=0.2:r=16000:d=10:seed=1
    -filter_complex [0:a][1:a][2:a]concat=n=3:v=0:a=1 ${path.join(folder, 'without-speech.wav')}`
}

/** Silence, one speaker, pink noise, the other: 29.6 s. */
export async function gaps(folder: string): Promise<Scene> {
  const [silence, noise] = [6, 5.5]
  const file =
    await ffmpeg`-i ${jfk.file} -i ${austen.file} -f lavfi -t ${silence} -i anullsrc=r=16000:cl=mono
    -f lavfi -t ${noise} -i anoisesrc=c=pink:a=0.1:r=16000:seed=1
    -filter_complex ${`[1:a]atrim=end=${austen.seconds}[b];[2:a][0:a][3:a][b]concat=n=4:v=0:a=1`}
    ${path.join(folder, 'gaps.wav')}`
  const second = silence + jfk.seconds + noise
  const said = [
    { text: jfk.text, start: silence, end: silence + jfk.seconds },
    { text: austen.text, start: second, end: second + austen.seconds },
  ]
  return { file, said }
}

/** A call: one speaks on the left, the other on the right, in turns; 19 s. */
export async function call(folder: string): Promise<string> {
  return await ffmpeg`-i ${jfk.file} -i ${austen.file}
    -filter_complex [0:a]apad=whole_len=304000[left];[1:a]adelay=11500,apad=whole_len=304000[right];[left][right]join=inputs=2:channel_layout=stereo
    ${path.join(folder, 'call.wav')}`
}

const SILENCE = 0.6

/** English of people, then German of espeak-ng, then English; each clip is followed by silence. 106 s. */
export async function twoLanguages(folder: string): Promise<{ file: string; german: Span }> {
  const recorded = fileURLToPath(new URL('../agent/recorded/languages/de.opus', import.meta.url))
  const german = await ffmpeg`-i ${recorded} -ar 16000 -ac 1 ${path.join(folder, 'german.wav')}`
  const english = [jfk, austen, jfk, austen]
  const files = [...english.map((clip) => clip.file), ...Array<string>(3).fill(german)]
  const file = path.join(folder, 'two-languages.wav')
  const { signal } = new AbortController()
  await joinWavs([...files, jfk.file, austen.file, jfk.file], file, signal, SILENCE * RATE)
  const start = english.reduce((sum, { seconds }) => sum + seconds + SILENCE, 0)
  const { durationSeconds } = await readWavHeader(german)
  return { file, german: { start, end: start + 3 * (durationSeconds + SILENCE) } }
}

/** The two clips, one after the other, again and again. */
export async function long(folder: string, rounds: number): Promise<Scene> {
  const list = path.join(folder, 'list.txt')
  await writeFile(list, `file '${jfk.file}'\nfile '${austen.file}'\n`.repeat(rounds))
  const file = await ffmpeg`-f concat -safe 0 -i ${list} -c copy ${path.join(folder, 'long.wav')}`
  const round = jfk.seconds + austen.seconds
  const said = Array.from({ length: rounds }, (_, n) => [
    { text: jfk.text, start: n * round, end: n * round + jfk.seconds },
    { text: austen.text, start: n * round + jfk.seconds, end: (n + 1) * round },
  ]).flat()
  return { file, said }
}
