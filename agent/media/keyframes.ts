import { stat } from 'node:fs/promises'
import path from 'node:path'
import { PICTURING, watchingLimits } from './child-limits.ts'
import { KEY_FRAMES } from '../job-options.ts'
import { refusal } from './media-refusal.ts'
import { QUIET, runTool, SAFE, type ToolResult } from './media-tool.ts'
import type { MediaTools } from './sandbox.ts'

export interface KeyFrame {
  name: string
  atSeconds: number
}

export interface KeyFrameOptions {
  /** Of more, a selection at equal steps. */
  max?: number
  dir: string
  signal: AbortSignal
  durationSeconds: number
}

/** A cut differs from the picture before it by 0.3 of 1, and comes a second after the last one. */
const CUT = 'gt(scene\\,0.3)*gte(t-prev_selected_t\\,1)'
/** In longer films only intra-coded pictures are compared: 10 to 50 times as fast. */
const LONG_SECONDS = 20 * 60
const WIDTH = 1280

/**
 * JPEG files in `dir`, up to 1280 wide: the film's first picture, and the first after each cut. None without a moving
 * picture.
 * @throws {AppError} as `decode`; the signal's reason when aborted.
 */
export async function keyFrames(
  tools: MediaTools,
  file: string,
  { max = KEY_FRAMES, dir, signal, durationSeconds }: KeyFrameOptions,
): Promise<KeyFrame[]> {
  const cuts = await findCuts(tools, file, durationSeconds, signal)
  const frames: KeyFrame[] = []
  for (const atSeconds of spread(cuts, max)) {
    const name = `frame-${atSeconds.toFixed(1).padStart(8, '0')}s.jpg`
    const target = path.join(dir, name)
    const result = await runTool(tools, {
      tool: 'ffmpeg',
      args: pictureArgs(file, atSeconds, target),
      file,
      folder: dir,
      limits: PICTURING,
      signal,
    })
    if (result.exitCode !== 0) throw await refusal(file, result)
    // A damaged picture may not be readable a second time.
    const taken = await stat(target).catch(() => null)
    if (taken !== null && taken.size > 0) frames.push({ name, atSeconds })
  }
  return frames
}

function spread(cuts: readonly number[], max: number): number[] {
  if (cuts.length <= max) return [...cuts]
  return Array.from({ length: max }, (_, i) => cuts[Math.floor((i * cuts.length) / max)]!)
}

/** In seconds, ascending; the beginning is one. */
async function findCuts(
  tools: MediaTools,
  file: string,
  durationSeconds: number,
  signal: AbortSignal,
): Promise<number[]> {
  let result: ToolResult | null = null
  // ffmpeg 5.1 knows only the old name of this option, later versions only the new one.
  for (const everyFrame of [
    ['-fps_mode', 'passthrough'],
    ['-vsync', '0'],
  ]) {
    const cuts: number[] = []
    result = await runTool(tools, {
      tool: 'ffmpeg',
      args: cutArgs(file, durationSeconds, everyFrame),
      file,
      limits: watchingLimits(durationSeconds),
      signal,
      onLine(line, stream) {
        const at = stream === 'stdout' ? / pts_time:(-?[\d.]+)/.exec(line)?.[1] : undefined
        if (at !== undefined) cuts.push(Math.max(0, Number(at)))
      },
    })
    // A film that breaks off has cuts before that.
    if (result.exitCode === 0 || cuts.length > 0) return cuts.toSorted((a, b) => a - b)
    if (/matches no streams/i.test(result.stderrTail)) return []
    if (!/fps_mode/.test(result.stderrTail)) break
  }
  throw await refusal(file, result!)
}

/** Every frame once: filling up a constant frame rate would not end where a film's times are wild. */
function cutArgs(file: string, durationSeconds: number, everyFrame: readonly string[]): string[] {
  const some = durationSeconds > LONG_SECONDS ? ['-skip_frame', 'nokey'] : []
  const filters = `scale=320:-2,select=eq(n\\,0)+${CUT},metadata=print:file=-`
  const input = [...QUIET, ...SAFE, '-threads', '2', ...some, '-i', `file:${file}`]
  return [...input, '-map', '0:V:0', '-vf', filters, ...everyFrame, '-f', 'null', '-']
}

function pictureArgs(file: string, atSeconds: number, target: string): string[] {
  // Times are printed to the microsecond: rounding must not skip the frame.
  const seek = ['-ss', Math.max(0, atSeconds - 0.001).toFixed(6)]
  const input = [...QUIET, '-y', ...SAFE, '-threads', '2', ...seek, '-i', `file:${file}`]
  const filters = `scale=min(${WIDTH}\\,iw):-2,format=yuvj420p`
  const picture = ['-map', '0:V:0', '-frames:v', '1', '-vf', filters]
  // Not an image sequence, for which a `%` in the folder's name has a meaning.
  return [...input, ...picture, '-c:v', 'mjpeg', '-q:v', '3', '-f', 'mjpeg', `file:${target}`]
}
