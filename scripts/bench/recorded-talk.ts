import path from 'node:path'
import { execa } from 'execa'
import { readWavHeader } from '../../agent/audio/wav.ts'
import { CLIPS } from '../../agent/selftest/clips.ts'
import type { PrepareOptions } from '../engines/once.ts'
import { repeatClips } from './clips.ts'
import { meetings, recordedVoices } from './diarization/voices.ts'
import { TO_WAV } from './ffmpeg.ts'
import { gameLines } from './game-lines.ts'

const MINUTES = 30
const PAUSE_SECONDS = 0.7

/**
 * Half an hour of people who speak English, nothing twice: a speech, sentences of a book, 14 excerpts of meetings, and for
 * the rest the lines of a game, with a pause after each.
 */
export async function recordedTalk(
  ffmpeg: string,
  folder: string,
  options: PrepareOptions,
): Promise<string> {
  const made = async (name: string, args: readonly string[], input?: Buffer): Promise<string> => {
    const file = path.join(folder, name)
    await execa(ffmpeg, ['-v', 'error', '-y', ...args, ...TO_WAV, file], input && { input })
    return file
  }
  const silence = ['-f', 'lavfi', '-i', 'anullsrc=r=16000:cl=mono', '-t', String(PAUSE_SECONDS)]
  const pause = await made('pause.wav', silence)
  const voices = await recordedVoices(ffmpeg, options)
  const files = [
    CLIPS[0].file,
    ...voices.get('austen')!,
    ...(await meetings(ffmpeg, options)).map(({ wavPath }) => wavPath),
  ]
  let left = MINUTES * 60
  const parts: string[] = []
  const add = async (file: string): Promise<void> => {
    left -= (await readWavHeader(file)).durationSeconds + PAUSE_SECONDS
    parts.push(file, pause)
  }
  for (const file of files) await add(file)
  for (const [name, sound] of await gameLines(options)) {
    if (left <= 0) break
    await add(await made(`${name}.wav`, ['-i', '-'], sound))
  }
  const talk = path.join(folder, 'talk.wav')
  await repeatClips(parts, 1, talk)
  return talk
}
