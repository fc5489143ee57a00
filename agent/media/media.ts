import { rename, rm, stat } from 'node:fs/promises'
import path from 'node:path'
import { AppError } from '../../shared/errors.ts'
import { printable } from '../../shared/printable.ts'
import type { Segment } from '../../shared/transcript.ts'
import { decodingLimits, mostSeconds, PROBING, readingLimits } from './child-limits.ts'
import { decodeArgs, originOf, packetOf, type DecodeOptions } from './media-decode.ts'
import { parseProbe, type MediaInfo } from './media-info.ts'
import { PROBED } from './media-probe.ts'
import { noSound, refusal } from './media-refusal.ts'
import { QUIET, runTool, SAFE } from './media-tool.ts'
import { findPauses } from './pauses.ts'
import type { MediaTools } from './sandbox.ts'
import { longGaps, placed, Timeline, wavParts } from './timeline.ts'
import { readWavHeader } from './wav.ts'
import { RATE, writeWav } from './wav-write.ts'

/** A file's subtitles are read up to this much text. */
const MAX_SUBTITLE_BYTES = 16 * 1024 * 1024
/** What a file may say of itself: a thousand tracks and as many chapters are less. */
const MAX_PROBE_BYTES = 4 * 1024 * 1024

/** Progress is told each time so much more is decoded. */
const TOLD_SECONDS = 1

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
 * @throws {AppError} `invalid_media`, `unsupported_media`, `no_audio` (also where nothing comes after `fromSeconds`),
 * `no_space`, `source_missing`.
 */
export async function decode(
  tools: MediaTools,
  file: string,
  track: number,
  outWav: string,
  options: DecodeOptions,
): Promise<Decoded> {
  const raw = `${outWav}.raw`
  const sizeBytes = await sizeOf(file)
  const { before, after, times, ...plan } = decodeArgs(track, { ...options, sizeBytes })
  const { limitSeconds, leadSeconds } = plan
  const input = [...SAFE, '-threads', '2', ...before, '-i', `file:${file}`]
  const timeline = new Timeline()
  let told = 0
  const tell = (least: number): void => {
    const seconds = Math.max(0, timeline.samples / RATE - leadSeconds)
    if (seconds - told < least) return
    told = seconds
    options.onProgress(seconds)
  }
  try {
    const result = await runTool(tools, {
      tool: 'ffmpeg',
      args: [...QUIET, '-y', ...input, ...after, `file:${raw}`, ...times],
      file,
      folder: path.dirname(raw),
      limits: decodingLimits(limitSeconds),
      signal: options.signal,
      onLine(line, stream) {
        const packet = stream === 'stdout' ? packetOf(line) : null
        if (packet === null) return
        timeline.add(packet.time, packet.samples)
        tell(TOLD_SECONDS)
      },
    })
    if (result.exitCode !== 0) throw await refusal(file, result)
    // Nothing came out although ffmpeg was content: damaged packets it skipped, or a track without any.
    if (timeline.samples === 0) {
      throw result.stderrTail.trim() === '' ? noSound() : await refusal(file, result)
    }
    tell(0)
    const clockJumps = await place(tools, file, { raw, outWav, timeline, limitSeconds }, options)
    return { cutShort: timeline.samples / RATE > limitSeconds - 1, clockJumps }
  } finally {
    await rm(raw, { force: true })
  }
}

/** How decoding went. */
interface Decoded {
  /** There was more sound than a file of that size can have; the rest of it is left out. */
  cutShort: boolean
  /** The file's clock was set while it was recorded: its times are of no use, its sound is whole. */
  clockJumps: boolean
}

/** Puts decoded sound at its time. Returns whether the file's clock was set. */
async function place(
  tools: MediaTools,
  file: string,
  at: { raw: string; outWav: string; timeline: Timeline; limitSeconds: number },
  { fromSeconds = 0, media, signal }: DecodeOptions,
): Promise<boolean> {
  const { raw, outWav, timeline, limitSeconds } = at
  const begin = Math.round(originOf(media, timeline.end / RATE) * RATE)
  const origin = begin + Math.round(fromSeconds * RATE)
  const gaps = longGaps(timeline.runs, origin)
  const pauses = await findPauses(tools, file, gaps, { media, origin: begin, signal })
  const most = Math.ceil(limitSeconds * RATE)
  const { steps, clockJumps } = placed(timeline.runs, { origin, pauses, most })
  const parts = wavParts(steps)
  if (parts.length === 0) throw noSound()
  if (steps.every(({ kind }) => kind === 'copy')) {
    await rename(raw, outWav)
    return clockJumps
  }
  const part = `${outWav}.part`
  try {
    const { dataOffset } = await readWavHeader(raw)
    await writeWav(part, { file: raw, dataOffset }, parts, signal)
    await rename(part, outWav)
  } finally {
    await rm(part, { force: true })
  }
  return clockJumps
}

/** 0 where there is none: whoever reads it will say so. */
async function sizeOf(file: string): Promise<number> {
  return (await stat(file).catch(() => null))?.size ?? 0
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
