import { randomUUID } from 'node:crypto'
import { chmod, copyFile, mkdir, rename, stat } from 'node:fs/promises'
import { createRequire } from 'node:module'
import path from 'node:path'
import { AppError, messageOf } from '../../shared/errors.ts'
import { cacheDir } from '../paths.ts'

const PACKAGES = { ffmpeg: '@ffmpeg-installer', ffprobe: '@ffprobe-installer' } as const

/**
 * A program of the npm packages for machines without newer builds (2018 and 2022), or null.
 * @throws {AppError} `engine_missing` when it cannot be made executable.
 */
export async function toolFromNpm(program: keyof typeof PACKAGES): Promise<string | null> {
  const machine = `${process.platform}-${process.arch}`
  const ending = process.platform === 'win32' ? '.exe' : ''
  let folder: string
  try {
    const manifest = `${PACKAGES[program]}/${machine}/package.json`
    folder = path.dirname(createRequire(import.meta.url).resolve(manifest))
  } catch {
    return null
  }
  const file = path.join(folder, `${program}${ending}`)
  try {
    return await executable(file)
  } catch (error) {
    const text = `'${file}' cannot be made executable: ${messageOf(error)}.`
    throw new AppError('engine_missing', text, { cause: error })
  }
}

/**
 * The packages make it executable in an install script that may not have run, or only for the installing user. Where
 * the folder is read-only, a copy in the cache serves.
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
