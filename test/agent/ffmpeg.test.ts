import assert from 'node:assert/strict'
import { mkdir, symlink, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { describe, it } from 'node:test'
import { findTools } from '../../agent/media/ffmpeg.ts'
import type { AppError } from '../../shared/errors.ts'
import { tempFolder } from './fixtures.ts'

const folder = tempFolder()

/** Runs `work` with another PATH. */
async function withPath<T>(value: string, work: () => Promise<T>): Promise<T> {
  const saved = process.env['PATH']
  process.env['PATH'] = value
  try {
    return await work()
  } finally {
    process.env['PATH'] = saved
  }
}

/** Those of the packages, by their full paths, whatever this machine has. */
const shipped = await withPath('/nowhere', () => findTools())

describe('findTools', () => {
  it('falls back to the npm packages when PATH has none', async () => {
    const tools = await withPath('/nowhere', () => findTools())
    assert.equal(tools.origin, 'npm')
    assert.match(tools.ffmpeg, /node_modules.*ffmpeg$/)
    assert.match(tools.ffprobe, /node_modules.*ffprobe$/)
    assert.ok(tools.version.length > 0)
  })

  it('prefers PATH, and takes a missing ffprobe from the packages', async () => {
    const bin = path.join(folder, 'only-ffmpeg')
    await mkdir(bin)
    await symlink(shipped.ffmpeg, path.join(bin, 'ffmpeg'))
    const tools = await withPath(bin, () => findTools())
    assert.equal(tools.origin, 'path')
    assert.equal(tools.ffmpeg, 'ffmpeg')
    assert.match(tools.ffprobe, /node_modules/)
  })

  it('goes on to the packages when the program on PATH does not work', async () => {
    const bin = path.join(folder, 'broken')
    await mkdir(bin)
    await writeFile(path.join(bin, 'ffmpeg'), '#!/bin/sh\nexit 127\n', { mode: 0o755 })
    assert.equal((await withPath(bin, () => findTools())).origin, 'npm')
  })

  it('takes the program a setting names, and ffprobe beside it', async () => {
    const bin = path.join(folder, 'both')
    await mkdir(bin)
    await symlink(shipped.ffmpeg, path.join(bin, 'ffmpeg'))
    await symlink(shipped.ffprobe, path.join(bin, 'ffprobe'))
    assert.deepEqual(await findTools(path.join(bin, 'ffmpeg')), {
      ffmpeg: path.join(bin, 'ffmpeg'),
      ffprobe: path.join(bin, 'ffprobe'),
      version: shipped.version,
      origin: 'setting',
    })
  })

  it('refuses a setting that names nothing, and says what helps', async () => {
    await assert.rejects(findTools('/no/ffmpeg'), (error: AppError) => {
      assert.equal(error.code, 'engine_missing')
      assert.match(error.message, /\/no\/ffmpeg/)
      assert.match(error.message, /--ffmpeg.*MORAG_FFMPEG/)
      return true
    })
  })

  it('refuses a program that is not ffmpeg', async () => {
    await assert.rejects(
      findTools(process.execPath),
      (error: AppError) => error.code === 'engine_missing',
    )
  })
})
