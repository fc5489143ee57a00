import { randomUUID } from 'node:crypto'
import { chmod, copyFile, mkdir, rename, stat } from 'node:fs/promises'
import path from 'node:path'
import { AppError, messageOf } from '../../shared/errors.ts'
import { timeoutSignal } from '../../shared/timers.ts'
import { runChild } from '../host/child.ts'
import { cacheDir } from '../paths.ts'

/** The two programs that read media. */
export interface Tools {
  ffmpeg: string
  ffprobe: string
  /** ffmpeg's own, like `7.1.1` or `N-47683-g0e8eb07980-static`. */
  version: string
  /** Where ffmpeg was found: named by a setting, on PATH, or in the npm packages that come with us. */
  origin: 'setting' | 'path' | 'npm'
}

interface Found {
  file: string
  version: string
  origin: Tools['origin']
}

const FIX =
  'Install ffmpeg (for example: apt-get install ffmpeg), or name it with --ffmpeg or MORAG_FFMPEG, ' +
  'or install this package again without leaving out its optional dependencies.'

/**
 * ffmpeg and ffprobe, each of them started once to see that it works. Looked for where `explicit` says (a path, or a
 * name on PATH), with ffprobe beside it; else on PATH; else in the npm packages.
 * @throws {AppError} `engine_missing`, saying how to get them.
 */
export async function findTools(explicit?: string | null): Promise<Tools> {
  const problems: string[] = []
  const ffmpeg = explicit
    ? await attempt(explicit, 'ffmpeg', 'setting', problems)
    : ((await attempt('ffmpeg', 'ffmpeg', 'path', problems)) ?? (await fromNpm('ffmpeg', problems)))
  if (ffmpeg === null) throw missing('ffmpeg', problems)
  const beside = path.join(
    path.dirname(ffmpeg.file),
    path.basename(ffmpeg.file).replace('ffmpeg', 'ffprobe'),
  )
  const ffprobe =
    (explicit && beside !== ffmpeg.file
      ? await attempt(beside, 'ffprobe', 'setting', problems)
      : null) ??
    (await attempt('ffprobe', 'ffprobe', 'path', problems)) ??
    (await fromNpm('ffprobe', problems))
  if (ffprobe === null) throw missing('ffprobe', problems)
  return {
    ffmpeg: ffmpeg.file,
    ffprobe: ffprobe.file,
    version: ffmpeg.version,
    origin: ffmpeg.origin,
  }
}

type Program = 'ffmpeg' | 'ffprobe'

/** Starts a program to learn its version; null, and a line in `problems`, when it does not work. */
async function attempt(
  file: string,
  program: Program,
  origin: Tools['origin'],
  problems: string[],
): Promise<Found | null> {
  try {
    const signal = timeoutSignal(30_000)
    const { stdoutTail, exitCode } = await runChild(file, ['-version'], { signal })
    const version = new RegExp(`^${program} version (\\S+)`).exec(stdoutTail)?.[1]
    if (exitCode === 0 && version !== undefined) return { file, version, origin }
    problems.push(`'${file} -version' did not answer as ${program} does.`)
  } catch (error) {
    problems.push(messageOf(error))
  }
  return null
}

async function fromNpm(program: Program, problems: string[]): Promise<Found | null> {
  let file: string
  try {
    file = await installed(program)
  } catch (error) {
    problems.push(`The npm package of ${program} is not usable: ${messageOf(error)}.`)
    return null
  }
  try {
    return await attempt(await executable(file), program, 'npm', problems)
  } catch (error) {
    problems.push(`'${file}' cannot be made executable: ${messageOf(error)}.`)
    return null
  }
}

/** Optional dependencies: importing one may fail, in words of its own. */
async function installed(program: Program): Promise<string> {
  switch (program) {
    case 'ffmpeg':
      return (await import('@ffmpeg-installer/ffmpeg')).default.path
    case 'ffprobe':
      return (await import('@ffprobe-installer/ffprobe')).default.path
  }
}

/**
 * The program, allowed to run. The packages set that in an install script which may not have run, or only for the user
 * who installed; where the folder is not ours to change, a copy in the cache does.
 */
async function executable(file: string): Promise<string> {
  const { mode, size } = await stat(file)
  if ((mode & 0o555) === 0o555) return file
  try {
    await chmod(file, 0o755)
    return file
  } catch {
    const copy = path.join(cacheDir(), 'bin', `${path.basename(file)}-${size}`)
    const known = await stat(copy).catch(() => null)
    if (known?.size === size) return copy
    await mkdir(path.dirname(copy), { recursive: true, mode: 0o700 })
    const part = `${copy}.${randomUUID()}.part`
    await copyFile(file, part)
    await chmod(part, 0o755)
    await rename(part, copy)
    return copy
  }
}

function missing(program: Program, problems: readonly string[]): AppError {
  return new AppError('engine_missing', `No working ${program}: ${problems.join(' ')} ${FIX}`)
}
