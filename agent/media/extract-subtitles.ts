import type { Segment } from '../../shared/transcript.ts'
import { mostSeconds, readingLimits } from './child-limits.ts'
import { refusal } from './media-refusal.ts'
import { QUIET, runTool, SAFE, sizeOf } from './media-tool.ts'
import type { MediaTools } from './sandbox.ts'
import { parseSubtitles } from './subtitle-text.ts'

/** More text is cut off. */
const MAX_SUBTITLE_BYTES = 16 * 1024 * 1024

/**
 * The cues of a text subtitle track, without styling.
 * @param track its index among the subtitle tracks.
 * @throws {AppError} as `decode`.
 */
export async function extractSubtitles(
  tools: MediaTools,
  file: string,
  track: number,
  options: { signal: AbortSignal; opening?: readonly string[] },
): Promise<Segment[]> {
  const input = [...SAFE, ...(options.opening ?? []), '-i', `file:${file}`]
  const result = await runTool(tools, {
    tool: 'ffmpeg',
    args: [...QUIET, ...input, '-map', `0:s:${track}`, '-f', 'srt', 'pipe:1'],
    file,
    limits: readingLimits(mostSeconds(await sizeOf(file))),
    signal: options.signal,
    tailBytes: MAX_SUBTITLE_BYTES,
  })
  if (result.exitCode !== 0) throw await refusal(file, result)
  return parseSubtitles(result.stdoutTail) ?? []
}
