import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { freeBytesOf } from '../free-space.ts'
import { expect, type Group } from './check.ts'

const GIB = 1024 ** 3
const LEAST_BYTES = 2 * GIB

/** Disk space and write permission for jobs and models. @param folders by the setting that chooses them. */
export function diskGroup(folders: Readonly<Record<string, string>>): Group {
  return {
    name: 'disk',
    checks: Object.entries(folders).map(([flag, folder]) => ({
      name: `the folder of ${flag} has disk space`,
      async run() {
        const another = `Choose another with ${flag}, or make room.`
        await writeInto(folder, another)
        const bytes = await freeBytesOf(folder)
        const free = `${(bytes / GIB).toFixed(1)} GiB free`
        expect(bytes >= LEAST_BYTES, `${free} in ${folder}, less than 2 GiB`, another)
        return `${free} in ${folder}`
      },
    })),
  }
}

async function writeInto(folder: string, fix: string): Promise<void> {
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 })
    const probe = await mkdtemp(path.join(folder, 'selftest-'))
    await writeFile(path.join(probe, 'probe'), 'x')
    await rm(probe, { recursive: true })
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : String(error)
    expect(false, `${folder} cannot be written (${code})`, fix)
  }
}
