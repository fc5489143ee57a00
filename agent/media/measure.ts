import { mostSeconds, readingLimits } from './child-limits.ts'
import { commonLayout } from './channel-layout.ts'
import { packetArgs, type DecodeOptions } from './decode-args.ts'
import type { AudioTrack } from './media-info.ts'
import { QUIET, runTool, SAFE, sizeOf } from './media-tool.ts'
import type { MediaTools } from './sandbox.ts'
import { MEASURED_RATE, SoundMeter, type SoundStats } from './sound-stats.ts'

/** Filters out rumble, which may be louder than speech. */
const SPEECH = ['highpass=f=200', 'highpass=f=200']

/**
 * Measures the levels and covariance of an audio track's channels.
 * @returns null where nothing can be decoded: `decode` says why.
 * @throws {AppError} `engine_missing`, `source_missing`; the signal's reason when aborted.
 */
export async function measure(
  tools: MediaTools,
  file: string,
  { index, channels, layout }: Pick<AudioTrack, 'index' | 'channels' | 'layout'>,
  { signal, media, onProgress, fromSeconds = 0, seconds }: Omit<DecodeOptions, 'mix'>,
): Promise<SoundStats | null> {
  const meter = new SoundMeter(channels)
  const common = commonLayout(layout ?? null, channels)
  const form = common === null ? [] : [`aformat=channel_layouts=${common}`]
  const filters = [...form, ...SPEECH, `aresample=${MEASURED_RATE}`].join(',')
  const map = ['-map', `0:a:${index}`, '-vn', '-sn', '-dn', '-af', filters]
  const raw = ['-c:a', 'pcm_f32le', '-f', 'f32le', 'pipe:1']
  const entry = fromSeconds === 0 ? [] : ['-ss', String(fromSeconds)]
  const part = seconds === undefined ? [] : ['-t', String(seconds)]
  const packets = packetArgs(tools, media?.format)
  const before = [...SAFE, ...packets, ...(media?.opening ?? []), ...entry, ...part]
  const input = [...before, '-threads', '2', '-i', `file:${file}`]
  let bytes = 0
  await runTool(tools, {
    tool: 'ffmpeg',
    args: [...QUIET, ...input, ...map, ...raw],
    file,
    limits: readingLimits(mostSeconds(await sizeOf(file))),
    signal,
    onData(chunk) {
      meter.push(chunk)
      bytes += chunk.length
      onProgress(bytes / (4 * channels * MEASURED_RATE))
    },
  })
  return bytes === 0 ? null : meter.stats()
}
