import { rename, rm } from 'node:fs/promises'
import { AppError, type ErrorCode } from '../shared/errors.ts'
import { oneLine } from '../shared/render.ts'
import type { Segment } from '../shared/transcript.ts'
import { runChild, type ChildResult } from './child.ts'
import type { Tools } from './ffmpeg.ts'
import { decodeArgs, type DecodeOptions } from './media-decode.ts'
import { parseProbe, type MediaInfo } from './media-info.ts'
import { childEnv } from './paths.ts'
import { readWavHeader } from './wav.ts'

/** Only containers that hold media themselves: no playlist can make ffmpeg open other files or addresses. */
const FORMATS =
  'mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,mp3,wav,ogg,flac,aac,avi,mpegts,mpeg,asf,flv,aiff,amr,caf,ac3,eac3,dts,w64,au'
/** What ffmpeg and ffprobe are told before every input. */
export const SAFE = ['-protocol_whitelist', 'file,crypto,data', '-format_whitelist', FORMATS]
/** ffmpeg says what is wrong, and nothing else. */
export const QUIET = ['-hide_banner', '-nostdin', '-nostats', '-v', 'error']
/**
 * What the tools run with. A static build takes the character sets of a glibc that is not its own, and crashes (the
 * ffprobe from npm does, on every MPEG transport stream): it is to find none. We read nothing that needs them.
 */
export function toolEnv(): Record<string, string> {
  return { ...childEnv(), GCONV_PATH: '/nonexistent' }
}

/** A file's subtitles are read up to this much text. */
const MAX_SUBTITLE_BYTES = 16 * 1024 * 1024
/**
 * What is in a file. Nothing of it is decoded, so a file that passes may still turn out to be broken.
 * @throws {AppError} `invalid_media` when it is no media file that we read, `source_missing` when it is not there.
 */
export async function probe(
  tools: Tools,
  file: string,
  options: { signal: AbortSignal },
): Promise<MediaInfo> {
  const show = ['-show_format', '-show_streams', '-show_chapters', '-of', 'json']
  const result = await runChild(tools.ffprobe, ['-v', 'error', ...SAFE, ...show, `file:${file}`], {
    signal: options.signal,
    env: toolEnv(),
    tailBytes: 4 * 1024 * 1024,
  })
  if (result.exitCode !== 0) throw refusal(file, result)
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
  tools: Tools,
  file: string,
  track: number,
  outWav: string,
  options: DecodeOptions,
): Promise<{ cutShort: boolean }> {
  const part = `${outWav}.part`
  const from = options.fromSeconds ?? 0
  const { before, after, limitSeconds } = decodeArgs(track, options)
  const input = [...SAFE, '-threads', '2', ...before, '-i', `file:${file}`]
  try {
    const result = await runChild(
      tools.ffmpeg,
      [...QUIET, '-y', '-progress', 'pipe:1', ...input, ...after, `file:${part}`],
      {
        signal: options.signal,
        env: toolEnv(),
        onLine(line, stream) {
          const seconds = stream === 'stdout' ? progressSeconds(line) : null
          if (seconds !== null) options.onProgress(seconds)
        },
      },
    )
    if (result.exitCode !== 0) throw refusal(file, result)
    const { samples, durationSeconds } = await readWavHeader(part)
    // Nothing came out although ffmpeg was content: damaged packets it skipped, or a track without any.
    if (samples === 0) {
      throw result.stderrTail.trim() === '' ? noSound() : refusal(file, result)
    }
    await rename(part, outWav)
    return { cutShort: from + durationSeconds > limitSeconds - 1 }
  } finally {
    await rm(part, { force: true })
  }
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
  tools: Tools,
  file: string,
  track: number,
  options: { signal: AbortSignal },
): Promise<Segment[]> {
  const args = [...SAFE, '-i', `file:${file}`, '-map', `0:s:${track}`, '-f', 'srt', 'pipe:1']
  const result = await runChild(tools.ffmpeg, [...QUIET, ...args], {
    signal: options.signal,
    env: toolEnv(),
    tailBytes: MAX_SUBTITLE_BYTES,
  })
  if (result.exitCode !== 0) throw refusal(file, result)
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
    const said = oneLine(
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

/** What the tools print, and what that means for the job; the first that fits. Exit codes differ between versions. */
const REFUSALS: [RegExp, ErrorCode][] = [
  [/No space left on device|Disk quota exceeded/i, 'no_space'],
  [/matches no streams|does not contain any stream/i, 'no_audio'],
  [/Cannot allocate memory|Resource temporarily unavailable/i, 'engine_failed'],
  [/No such file or directory|Permission denied/i, 'source_missing'],
  [
    /Decoder .*not found|Unknown decoder|no decoder for|codec not currently supported/i,
    'unsupported_media',
  ],
]

/**
 * What a tool's failure means for the job. Says nothing of where the file lies here: the sentence goes to whoever sent it.
 */
export function refusal(file: string, result: ChildResult): AppError {
  const printed = result.stderrTail
  const last = oneLine(printed.trim().split('\n').at(-1) ?? '')
    .replace(/^\[[^\]]* @ 0x[0-9a-f]+\] /, '')
    .replaceAll(`file:${file}: `, '')
    .replaceAll(file, 'the file')
    .replace(/\.$/, '')
  // Killed from outside (out of memory, an operator): that says nothing of the file.
  const code =
    result.exitCode === null
      ? 'engine_failed'
      : (REFUSALS.find(([pattern]) => pattern.test(printed))?.[1] ?? 'invalid_media')
  const why = last === '' ? `ended with ${result.signal ?? result.exitCode}` : last.slice(0, 300)
  switch (code) {
    case 'no_space':
      return new AppError(code, 'The disk is full: the file could not be decoded. Free some space.')
    case 'no_audio':
      return noSound()
    case 'invalid_media':
      return new AppError(code, `The file is not readable as audio or video: ${why}.`)
    default:
      return new AppError(code, `The file could not be read: ${why}.`)
  }
}

function noSound(): AppError {
  return new AppError('no_audio', 'The file has no audio track with anything in it.')
}
