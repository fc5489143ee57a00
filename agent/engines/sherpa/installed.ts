import { readFileSync } from 'node:fs'
import { access, constants } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { AppError } from '../../../shared/errors.ts'

/** Of sherpa-onnx-node. @throws {AppError} `engine_missing` when it is not installed. */
export function sherpaVersion(): string {
  try {
    const file = createRequire(import.meta.url).resolve('sherpa-onnx-node/package.json')
    return String((JSON.parse(readFileSync(file, 'utf8')) as { version: unknown }).version)
  } catch (error) {
    throw new AppError(
      'engine_missing',
      'The npm package sherpa-onnx-node is not installed: install this package again without leaving out its optional dependencies, or choose another engine.',
      { cause: error },
    )
  }
}

/** The library ends the process when a file is missing. @throws {AppError} `model_missing` */
export async function checkReadable(files: readonly string[]): Promise<void> {
  for (const file of files) {
    await access(file, constants.R_OK).catch((error: unknown) => {
      throw new AppError('model_missing', `its file '${file}' cannot be read`, { cause: error })
    })
  }
}
