import { rename, rm } from 'node:fs/promises'
import path from 'node:path'
import { AppError } from '../../shared/errors.ts'
import { decodingLimits, PROBING } from './child-limits.ts'
import {
  decodeArgs,
  frameOf,
  isTimed,
  originOf,
  packetArgs,
  type DecodeOptions,
} from './decode-args.ts'
import { inspect } from './inspect.ts'
import { decodePieces } from './decode-pieces.ts'
import { parseProbe, type MediaInfo } from './media-info.ts'
import { PROBED } from './media-probe.ts'
import { isTooMany, noSound, refusal } from './media-refusal.ts'
import { LEVELLED, runTool, SAFE, sizeOf } from './media-tool.ts'
import { findPauses } from './pauses.ts'
import type { Piece } from './pieces.ts'
import type { MediaTools } from './sandbox.ts'
import { longGaps, placed, Timeline, wavParts } from './timeline.ts'
import { readWavHeader } from '../audio/wav.ts'
import { RATE } from '../../shared/wav-header.ts'
import { writeWav } from '../audio/wav-write.ts'

/** A thousand tracks and as many chapters need less. */
const MAX_PROBE_BYTES = 4 * 1024 * 1024

const REPORT_SECONDS = 1

/**
 * Reads a file's properties. Nothing is decoded: the file may still be broken.
 * @throws {AppError} `invalid_media` when it is no readable media file, `source_missing` when it is not there.
 */
export async function probe(
  tools: MediaTools,
  file: string,
  options: { signal: AbortSignal },
): Promise<MediaInfo> {
  const { opening, pieces, hasOwnTime } = await inspect(file)
  const media = await look(tools, file, opening.args, options.signal)
  if (pieces.length > 0 && (media.video === null || media.format === 'mpegts'))
    media.pieces = pieces
  if (hasOwnTime) delete media.startSeconds
  if (opening.isCutOff) media.isCutOff = true
  if (opening.note !== undefined) media.note = opening.note
  if (media.audio.length > 0 || !STREAMED.test(media.format)) return media
  return await look(tools, file, FAR, options.signal)
}

/** Containers without an index: their tracks show while they are read. */
const STREAMED = /^(mpegts|mpeg|flv)$/
/** ffmpeg gives up after 5 s or 5 MB, and sound may begin later. That much is held in memory. */
const FAR = ['-probesize', '256M', '-analyzeduration', '900M']

async function look(
  tools: MediaTools,
  file: string,
  opening: readonly string[],
  signal: AbortSignal,
): Promise<MediaInfo> {
  const show = ['-show_entries', PROBED, '-of', 'json']
  let isGuess = false
  let isUnsure = false
  const result = await runTool(tools, {
    tool: 'ffprobe',
    args: ['-v', 'level+warning', ...SAFE, ...opening, ...show, `file:${file}`],
    file,
    limits: PROBING,
    signal,
    tailBytes: MAX_PROBE_BYTES,
    onLog(line) {
      isGuess ||= line.includes('Estimating duration from bitrate')
      isUnsure ||= line.includes('detected only with low score')
    },
  })
  // Newer versions go on with the first thousand tracks.
  if (result.exitCode !== 0 || isTooMany(result.stderrTail))
    throw await refusal(file, result, { isUnsure })
  if (Buffer.byteLength(result.stdoutTail) >= MAX_PROBE_BYTES) {
    const text = 'The file has more tracks, chapters and titles than any recording needs.'
    throw new AppError('unsupported_media', text)
  }
  return {
    ...parseProbe(result.stdoutTail),
    ...(isGuess ? { isLengthGuessed: true as const } : {}),
    ...(opening.length === 0 ? {} : { opening: [...opening] }),
  }
}

/**
 * Writes an audio track (`track`: its index among the audio tracks) to `outWav` as 16 kHz, mono, signed 16 bit. Time 0
 * is the file's (or `fromSeconds`): late beginnings and gaps are filled with silence. A file that breaks off gives what
 * was readable.
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
  const { media, signal, fromSeconds, seconds } = options
  const isWhole = fromSeconds === undefined || fromSeconds === 0
  if (media?.pieces === undefined || !isWhole || seconds !== undefined) {
    return await decodePart(tools, { file, track, outWav }, options)
  }
  return await decodePieces(media.pieces, outWav, signal, async (piece, wav, before) => {
    const onProgress = (at: number): void => options.onProgress(before + at)
    const own = Math.min(track, (piece.tracks ?? Infinity) - 1)
    const source = { file, track: own, outWav: wav, piece }
    return await decodePart(tools, source, { ...options, onProgress })
  })
}

interface Source {
  file: string
  track: number
  outWav: string
  piece?: Piece
}

async function decodePart(
  tools: MediaTools,
  { file, track, outWav, piece }: Source,
  options: DecodeOptions,
): Promise<Decoded> {
  const raw = `${outWav}.raw`
  const sizeBytes = await sizeOf(file)
  const { before, after, ...plan } = decodeArgs(track, { ...options, sizeBytes })
  const { limitSeconds, leadSeconds } = plan
  const packets = packetArgs(tools, options.media?.format)
  const input = [...SAFE, ...packets, '-threads', '2', ...before, ...inputOf(file, piece)]
  const timeline = new Timeline(isTimed(options.media))
  let reported = 0
  const report = (least: number): void => {
    const seconds = Math.max(0, timeline.samples / RATE - leadSeconds)
    if (seconds - reported < least) return
    reported = seconds
    options.onProgress(seconds)
  }
  try {
    const result = await runTool(tools, {
      tool: 'ffmpeg',
      args: [...LEVELLED, '-y', ...input, ...after, `file:${raw}`],
      file,
      folder: path.dirname(raw),
      limits: decodingLimits(limitSeconds),
      signal: options.signal,
      onLog(line) {
        const frame = frameOf(line)
        if (frame === null) return
        timeline.add(frame.time, frame.samples)
        report(REPORT_SECONDS)
      },
    })
    if (result.exitCode !== 0) throw await refusal(file, result)
    // ffmpeg skips damaged packets, and succeeds with no output.
    if (timeline.samples === 0) {
      throw OF_NOTHING.test(result.stderrTail) ? noSound() : await refusal(file, result)
    }
    report(0)
    const startSeconds = (timeline.runs[0]?.time ?? 0) / RATE
    const own =
      piece === undefined ? options : { ...options, media: { ...options.media!, startSeconds } }
    const clockJumps = await place(tools, file, { raw, outWav, timeline, limitSeconds }, own)
    return {
      cutShort: timeline.samples / RATE > limitSeconds - 1,
      clockJumps,
      brokenOff: brokenOff(result.stderrTail),
    }
  } finally {
    await rm(raw, { force: true })
  }
}

function inputOf(file: string, piece: Piece | undefined): string[] {
  if (piece === undefined) return ['-i', `file:${file}`]
  const part = `subfile,,start,${piece.from},end,${piece.to},,:file:${file}`
  return ['-protocol_whitelist', 'file,subfile', '-i', part]
}

/** ffmpeg succeeds with what it has by then. */
function brokenOff(errors: string): string | null {
  return /Error during demuxing: (.*)/.exec(errors)?.[1]?.trim() ?? null
}

/** ffmpeg's messages, which differ between versions, about a track without sound. */
const OF_NOTHING =
  /^(.*\b(No filtered frames for output stream|Output file is empty|Guessed Channel Layout)\b.*\n?|\s)*$/

export interface Decoded {
  /** A file of that size cannot hold more sound; the rest is left out. */
  cutShort: boolean
  brokenOff: string | null
  /** The file's clock was set while it was recorded: its times are useless, its sound is whole. */
  clockJumps: boolean
}

/** Writes decoded sound at its times. @returns whether the file's clock was set. */
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
