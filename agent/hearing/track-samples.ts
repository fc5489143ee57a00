import { mkdir, rm } from 'node:fs/promises'
import path from 'node:path'
import { AppError } from '../../shared/errors.ts'
import { decode } from '../media/media.ts'
import type { AudioTrack, MediaInfo } from '../media/media-info.ts'
import type { MediaTools } from '../media/sandbox.ts'
import type { TrackFinds } from '../media/track-rank.ts'
import { joinWavs } from '../media/wav-write.ts'
import { totalLength } from '../speech/span.ts'
import type { SpeechFinder } from './speech-finder.ts'

/** A file as short as this is looked at as a whole. */
const SHORT_SECONDS = 60
/** Of a longer one so many places, so long each. */
const PLACES = 6
const PLACE_SECONDS = 8
/** More tracks than this are not looked at. */
const MOST_TRACKS = 8
/** A track with less than this share of speech has next to none, where another one has more. */
const LEAST_SHARE = 0.1
const LEAST_SECONDS = 0.5

interface SampleRequest {
  sourcePath: string
  media: MediaInfo
  /** A folder that is there. */
  workDir: string
  signal: AbortSignal
}

/**
 * Decodes a few seconds from several places of each track and looks for speech in them, until a track has enough of it.
 * @param tracks the best first, as far as they are known.
 * @throws {AppError} as the finder; `no_space`, `engine_missing`, `source_missing`; the signal's reason when aborted.
 */
export async function sampleTracks(
  tools: MediaTools,
  finder: SpeechFinder,
  tracks: readonly AudioTrack[],
  request: SampleRequest,
): Promise<TrackFinds> {
  const unreadable = new Set<number>()
  const spoken = new Map<number, number>()
  const dir = path.join(request.workDir, 'samples')
  try {
    for (const { index, unreadable: unknown } of tracks.slice(0, MOST_TRACKS)) {
      await mkdir(dir, { recursive: true })
      const taken =
        unknown === true ? null : await sample(tools, index, { ...request, workDir: dir })
      if (taken === null) {
        unreadable.add(index)
        continue
      }
      const { speech, seconds } = await speechIn(finder, taken, dir, request.signal)
      spoken.set(index, speech)
      await rm(dir, { recursive: true, force: true })
      if (speech >= Math.max(LEAST_SECONDS, seconds * LEAST_SHARE)) break
    }
  } finally {
    await rm(dir, { recursive: true, force: true })
  }
  return { unreadable, silent: silentOf(spoken) }
}

/** Those with next to no speech beside another one; none where nobody speaks: the places may have been the wrong ones. */
function silentOf(spoken: ReadonlyMap<number, number>): Set<number> {
  const most = Math.max(0, ...spoken.values())
  const least = Math.min(most, Math.max(LEAST_SECONDS, most * LEAST_SHARE))
  return new Set([...spoken].filter(([, seconds]) => seconds < least).map(([index]) => index))
}

async function speechIn(
  finder: SpeechFinder,
  files: readonly string[],
  dir: string,
  signal: AbortSignal,
): Promise<{ speech: number; seconds: number }> {
  if (files.length === 0) return { speech: 0, seconds: 0 }
  const whole = path.join(dir, 'all.wav')
  const seconds = await joinWavs(files, whole, signal)
  const { speech } = await finder.find(whole, { signal })
  return { speech: totalLength(speech), seconds }
}

/** What was decoded of a track, in files, which may be none; null: it cannot be decoded. */
async function sample(
  tools: MediaTools,
  index: number,
  { sourcePath, media, workDir, signal }: SampleRequest,
): Promise<string[] | null> {
  const taken: string[] = []
  let failed = 0
  const places = placesOf(media.durationSeconds)
  for (const [at, { from, seconds }] of places.entries()) {
    const file = path.join(workDir, `${at}.wav`)
    const options = { signal, media, fromSeconds: from, seconds, onProgress: () => undefined }
    try {
      await decode(tools, sourcePath, index, file, options)
      taken.push(file)
    } catch (error) {
      signal.throwIfAborted()
      if (!(error instanceof AppError)) throw error
      if (error.code === 'unsupported_media' || error.code === 'invalid_media') failed += 1
      else if (error.code !== 'no_audio') throw error
    }
  }
  return failed === places.length ? null : taken
}

function placesOf(durationSeconds: number): { from: number; seconds: number }[] {
  if (durationSeconds <= SHORT_SECONDS) return [{ from: 0, seconds: SHORT_SECONDS }]
  return Array.from({ length: PLACES }, (_, i) => ({
    from: Math.floor(((i + 0.5) * durationSeconds) / PLACES - PLACE_SECONDS / 2),
    seconds: PLACE_SECONDS,
  }))
}
