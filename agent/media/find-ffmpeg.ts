import path from 'node:path'
import { AppError, messageOf } from '../../shared/errors.ts'
import { timeoutSignal } from '../../shared/timers.ts'
import { runChild } from '../process/run-child.ts'
import { toolFromNpm } from './npm-tools.ts'

export interface Tools {
  ffmpeg: string
  ffprobe: string
  /** ffmpeg's, like `7.1.1` or `N-47683-g0e8eb07980-static`. */
  version: string
  /** Of the older of the two, by their copyright lines; null when unknown. */
  year: number | null
  origin: Origin
}

/** Where ffmpeg was found. `npm`: the npm packages, for machines without newer builds. */
export type Origin = 'setting' | 'path' | 'fetched' | 'npm'

type Program = 'ffmpeg' | 'ffprobe'

export interface ToolSearch {
  explicit: string | null
  /** The folder of the fetched ones, which may download them; null: none are built for this machine. */
  fetched: (() => Promise<string>) | null
  signal: AbortSignal
}

interface Found {
  file: string
  version: string
  year: number | null
  origin: Origin
}

const FIX =
  'Install ffmpeg (for example: apt-get install ffmpeg), or name it with --ffmpeg or MORAG_FFMPEG, ' +
  'or get ours with: morag-agent models pull ffmpeg'
const FILES: Record<Program, string> =
  process.platform === 'win32'
    ? { ffmpeg: 'ffmpeg.exe', ffprobe: 'ffprobe.exe' }
    : { ffmpeg: 'ffmpeg', ffprobe: 'ffprobe' }
/** Searched in this order without a setting. */
const PLACES = ['path', 'fetched', 'npm'] as const
type Place = (typeof PLACES)[number]

interface Search extends ToolSearch {
  /** Why programs that were found are not used, as sentences. */
  problems: string[]
}

/**
 * ffmpeg and ffprobe: of the setting, with ffprobe beside it; else on PATH; else fetched; else of the npm packages.
 * Each is started once.
 * @throws {AppError} `engine_missing`, with the fix; the signal's reason.
 */
export async function findTools(options: ToolSearch): Promise<Tools> {
  const search: Search = { ...options, problems: [] }
  const { explicit, problems } = search
  const ffmpeg =
    explicit === null
      ? await firstOf(PLACES, 'ffmpeg', search)
      : await attempt(explicit, 'ffmpeg', 'setting', search)
  if (ffmpeg === null) throw missing('ffmpeg', problems)
  const { file, version, origin } = ffmpeg
  const beside = path.join(path.dirname(file), path.basename(file).replace('ffmpeg', 'ffprobe'))
  const isNamed = explicit !== null && beside !== file
  // Not older than ffmpeg, where both come together.
  const places = PLACES.slice(Math.max(0, (PLACES as readonly Origin[]).indexOf(origin)))
  const ffprobe =
    (isNamed ? await attempt(beside, 'ffprobe', 'setting', search) : null) ??
    (await firstOf(places, 'ffprobe', search))
  if (ffprobe === null) throw missing('ffprobe', problems)
  return { ffmpeg: file, ffprobe: ffprobe.file, version, year: older(ffmpeg, ffprobe), origin }
}

async function firstOf(
  places: readonly Place[],
  program: Program,
  search: Search,
): Promise<Found | null> {
  for (const place of places) {
    const file = await fileIn(place, program, search)
    const found = file === null ? null : await attempt(file, program, place, search)
    if (found !== null) return found
  }
  return null
}

/** Null, and a line in `problems`, without a file. */
async function fileIn(
  place: Place,
  program: Program,
  { fetched, signal, problems }: Search,
): Promise<string | null> {
  try {
    switch (place) {
      case 'path':
        return program
      case 'fetched':
        return fetched === null ? null : path.join(await fetched(), FILES[program])
      case 'npm':
        return await toolFromNpm(program)
    }
  } catch (error) {
    signal.throwIfAborted()
    problems.push(messageOf(error))
    return null
  }
}

/** Null, and a line in `problems`, when it does not work. */
async function attempt(
  file: string,
  program: Program,
  origin: Origin,
  { signal, problems }: Search,
): Promise<Found | null> {
  try {
    const patience = AbortSignal.any([signal, timeoutSignal(30_000)])
    const { stdoutTail, exitCode } = await runChild(file, ['-version'], { signal: patience })
    const said = new RegExp(`^${program} version (\\S+)(?:.*Copyright \\(c\\) (?:\\d+-)?(\\d{4}))?`)
    const [, version, year] = said.exec(stdoutTail) ?? []
    if (exitCode === 0 && version !== undefined) {
      return { file, version, year: year === undefined ? null : Number(year), origin }
    }
    problems.push(`'${file} -version' printed no version of ${program}.`)
  } catch (error) {
    signal.throwIfAborted()
    problems.push(messageOf(error))
  }
  return null
}

function older(one: Found, other: Found): number | null {
  if (one.year === null || other.year === null) return one.year ?? other.year
  return Math.min(one.year, other.year)
}

function missing(program: Program, problems: readonly string[]): AppError {
  return new AppError('engine_missing', `No working ${program}: ${problems.join(' ')} ${FIX}`)
}
