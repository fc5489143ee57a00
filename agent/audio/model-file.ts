import { access, constants, stat } from 'node:fs/promises'

/** Whether sherpa-onnx can read a model: it takes one that is missing, or no file, for a model that hears nothing. */
export async function isReadable(modelFile: string): Promise<boolean> {
  try {
    await access(modelFile, constants.R_OK)
    return (await stat(modelFile)).isFile()
  } catch {
    return false
  }
}
