import { rename, rm, stat } from 'node:fs/promises'
import path from 'node:path'
import { AppError } from '../../shared/errors.ts'
import { printable } from '../../shared/printable.ts'
import type { Segment } from '../../shared/transcript.ts'
import { decodingLimits, mostSeconds, PROBING, readingLimits } from './child-limits.ts'
import { decodeArgs, type DecodeOptions } from './media-decode.ts'
import { parseProbe, type MediaInfo } from './media-info.ts'
import { PROBED } from './media-probe.ts'
import { noSound, refusal } from './media-refusal.ts'
import { QUIET, runTool, SAFE } from './media-tool.ts'
import type { MediaTools } from './sandbox.ts'
import { readWavHeader } from './wav.ts'

/** A file's subtitles are read up to this much text. */
const MAX_SUBTITLE_BYTES = 16 * 1024 * 1024
/** What a file may say of itself: a thousand tracks and as many chapters are less. */
const MAX_PROBE_BYTES = 4 * 1024 * 1024

/**
 * What is in a file. Nothing of it is decoded, so a file that passes may still turn out to be broken.
 * @throws {AppError} `invalid_media` when it is no media file that we read, `source_missing` when it is not there.
 */
export async function probe(
  tools: MediaTools,
  file: string,
  options: { signal: AbortSignal },
): Promise<MediaInfo> {
  const show = ['-show_entries', PROBED, '-of', 'json']
  const result = await runTool(tools, {
    tool: 'ffprobe',
    args: ['-v', 'error', ...SAFE, ...show, `file:${file}`],
    file,
    folder: null,
    limits: PROBING,
    signal: options.signal,
    tailBytes: MAX_PROBE_BYTES,
  })
  if (result.exitCode !== 0) throw await refusal(file, result)
  if (Buffer.byteLength(result.stdoutTail) >= MAX_PROBE_BYTES) {
    const text = 'The file has more tracks, chapters and titles than any recording needs.'
    throw new AppError('unsupported_media', text)
  }
  return parseProbe(result.stdoutTail)
}

/**
 * Writes one audio track (`track`: its index among the audio tracks) to `outWav` as 16 kHz, mono, signed 16 bit. Its
 * time 0 is the file's (or `fromSeconds`): a track that begins late or has gaps is filled with silence, or all times
 * would be early. A file that breaks off half-way gives what was readable.
 * @returns whether there was more sound than a file of that length can have; the rest of it is left out.
 * @throws {AppError} `invalid_media`, `unsupported_media`, `no_audio` (also where nothing comes after `fromSeconds`),
 * `no_space`, `source_missing`.
 */
export async function decode(
  tools: MediaTools,
  file: string,
  track: number,
  outWav: string,
  options: DecodeOptions,
): Promise<{ cutShort: boolean }> {
  const part = `${outWav}.part`
  const from = options.fromSeconds ?? 0
  const sizeBytes = await sizeOf(file)
  const { before, after, limitSeconds } = decodeArgs(track, { ...options, sizeBytes })
  const input = [...SAFE, '-threads', '2', ...before, '-i', `file:${file}`]
  try {
    const result = await runTool(tools, {
      tool: 'ffmpeg',
      args: [...QUIET, '-y', '-progress', 'pipe:1', ...input, ...after, `file:${part}`],
      file,
      folder: path.dirname(part),
      limits: decodingLimits(limitSeconds),
      signal: options.signal,
      onLine(line, stream) {
        const seconds = stream === 'stdout' ? progressSeconds(line) : null
        if (seconds !== null) options.onProgress(seconds)
      },
    })
    if (result.exitCode !== 0) throw await refusal(file, result)
    const { samples, durationSeconds } = await readWavHeader(part)
    // Nothing came out although ffmpeg was content: damaged packets it skipped, or a track without any.
    if (samples === 0) {
      throw result.stderrTail.trim() === '' ? noSound() : await refusal(file, result)
    }
    await rename(part, outWav)
    return { cutShort: from + durationSeconds > limitSeconds - 1 }
  } finally {
    await rm(part, { force: true })
  }
}

/** 0 where there is none: whoever reads it will say so. */
async function sizeOf(file: string): Promise<number> {
  return (await stat(file).catch(() => null))?.size ?? 0
}

/** Seconds of a line of ffmpeg's `-progress`, or null for another line. (`out_time_ms` is really microseconds.) */
function progressSeconds(line: string): number | null {
  const match = /^out_time=(\d+):(\d+):([\d.]+)$/.exec(line.trim())
  return match === null ? null : Number(match[1]) * 3600 + Number(match[2]) * 60 + Number(match[3])
}

/**
 * The cues of a text subtitle track (`track`: its index among the subtitle tracks), without their styling.
 * @throws {AppError} as `decode`.
 */
export async function extractSubtitles(
  tools: MediaTools,
  file: string,
  track: number,
  options: { signal: AbortSignal },
): Promise<Segment[]> {
  const args = [...SAFE, '-i', `file:${file}`, '-map', `0:s:${track}`, '-f', 'srt', 'pipe:1']
  const result = await runTool(tools, {
    tool: 'ffmpeg',
    args: [...QUIET, ...args],
    file,
    folder: null,
    limits: readingLimits(mostSeconds(await sizeOf(file))),
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
