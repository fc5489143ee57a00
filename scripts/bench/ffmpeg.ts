import { openTools } from '../../agent/media/open-tools.ts'
import { settingsOf } from './toolchain.ts'

/** Full path of the ffmpeg that the agent uses here. */
export async function ffmpegHere(): Promise<string> {
  const settings = settingsOf([])
  const { signal } = new AbortController()
  return (await openTools(settings, { dir: settings.modelsDir, signal })).ffmpeg
}
