import { stat } from 'node:fs/promises'
import { printable } from '../../shared/printable.ts'
import type { Segment } from '../../shared/transcript.ts'
import { mostSeconds, readingLimits } from './child-limits.ts'
import { refusal } from './media-refusal.ts'
import { QUIET, runTool, SAFE } from './media-tool.ts'
import type { MediaTools } from './sandbox.ts'

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
  const args = [
    ...SAFE,
    ...(options.opening ?? []),
    '-i',
    `file:${file}`,
    '-map',
    `0:s:${track}`,
    '-f',
    'srt',
    'pipe:1',
  ]
  const size = (await stat(file).catch(() => null))?.size ?? 0
  const result = await runTool(tools, {
    tool: 'ffmpeg',
    args: [...QUIET, ...args],
    file,
    folder: null,
    limits: readingLimits(mostSeconds(size)),
    signal: options.signal,
    tailBytes: MAX_SUBTITLE_BYTES,
  })
  if (result.exitCode !== 0) throw await refusal(file, result)
  return parseCues(result.stdoutTail)
}

const CUE = /^(\d+):(\d\d):(\d\d)[,.](\d{3}) --> (\d+):(\d\d):(\d\d)[,.](\d{3})/

function parseCues(srt: string): Segment[] {
  const cues: Segment[] = []
  for (const block of srt.replaceAll('\r', '').split(/\n{2,}/)) {
    const lines = block.split('\n')
    const at = lines.findIndex((line) => CUE.test(line))
    const times = CUE.exec(lines[at] ?? '')
      ?.slice(1)
      .map(Number)
    if (times === undefined) continue
    const [h1 = 0, m1 = 0, s1 = 0, ms1 = 0, h2 = 0, m2 = 0, s2 = 0, ms2 = 0] = times
    const said = printable(
      lines
        .slice(at + 1)
        .join(' ')
        .replace(/<[^>]*>|\{\\[^}]*\}/g, ''),
    )
    const start = h1 * 3600 + m1 * 60 + s1 + ms1 / 1000
    if (said !== '') cues.push({ start, end: h2 * 3600 + m2 * 60 + s2 + ms2 / 1000, text: said })
  }
  return cues.toSorted((a, b) => a.start - b.start)
}
