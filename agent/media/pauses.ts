import { readingLimits } from './child-limits.ts'
import type { MediaInfo } from './media-info.ts'
import { runTool, SAFE } from './media-tool.ts'
import type { MediaTools } from './sandbox.ts'
import type { Gap } from './timeline.ts'
import { RATE } from '../../shared/wav-header.ts'

/** Broadcast containers: the recorder's clock may be set while it records. */
const CLOCKED = /^(mpegts|mpeg)$/
/** In samples. A longer gap needs other evidence. */
const MOST_GAP = 600 * RATE
/** The most between pictures of a slide show. */
const SLIDE_SECONDS = 10

/** What is needed to judge a file's gaps. */
export type Clocked = Pick<MediaInfo, 'format' | 'durationSeconds'> &
  Partial<Pick<MediaInfo, 'video' | 'opening'>>

/**
 * The long gaps that are pauses of the sound: the picture goes on, or, without a picture, they fit into the claimed
 * length or take ten minutes at most. At others the clock was set forward.
 * @param origin the file's own time of its beginning, in samples.
 * @throws {AppError} as `runTool`.
 */
export async function findPauses(
  tools: MediaTools,
  file: string,
  gaps: readonly Gap[],
  { media, origin, signal }: { media: Clocked | undefined; origin: number; signal: AbortSignal },
): Promise<Gap[]> {
  if (gaps.length === 0) return []
  const isClocked = media !== undefined && CLOCKED.test(media.format)
  if (isClocked && media.video) return await withPicture(tools, file, gaps, media, signal)
  const claimed = isClocked ? 0 : (media?.durationSeconds ?? 0)
  return gaps.filter(({ from, to }) => to - from <= MOST_GAP || to - origin <= claimed * RATE)
}

async function withPicture(
  tools: MediaTools,
  file: string,
  gaps: readonly Gap[],
  { durationSeconds, opening = [] }: Clocked,
  signal: AbortSignal,
): Promise<Gap[]> {
  // The longest stretch of each gap without a picture, and its last picture.
  const holes = gaps.map(({ from, to }) => ({
    from: from / RATE,
    to: to / RATE,
    last: from / RATE,
    longest: 0,
  }))
  const show = ['-select_streams', 'V:0', '-show_entries', 'packet=pts_time', '-of', 'csv=p=0']
  await runTool(tools, {
    tool: 'ffprobe',
    args: ['-v', 'error', ...SAFE, ...opening, ...show, `file:${file}`],
    file,
    limits: readingLimits(durationSeconds),
    signal,
    onLine(line, stream) {
      const time = stream === 'stdout' ? Number.parseFloat(line) : NaN
      for (const hole of holes) {
        if (!(time > hole.last && time < hole.to)) continue
        hole.longest = Math.max(hole.longest, time - hole.last)
        hole.last = time
      }
    },
  })
  return gaps.filter((_, at) => {
    const { from, to, last, longest } = holes[at]!
    return Math.max(longest, to - last) <= Math.max(SLIDE_SECONDS, (to - from) / 2)
  })
}
