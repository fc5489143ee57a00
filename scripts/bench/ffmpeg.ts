import { openTools } from '../../agent/media/open-tools.ts'
import { settingsOf } from './toolchain.ts'

/** Full path of the ffmpeg that the agent uses here. */
export async function ffmpegHere(): Promise<string> {
  const settings = settingsOf([])
  const { signal } = new AbortController()
  return (await openTools(settings, { dir: settings.modelsDir, signal })).ffmpeg
}

/** The sound that engines take. */
export const TO_WAV = ['-ar', '16000', '-ac', '1', '-c:a', 'pcm_s16le']
