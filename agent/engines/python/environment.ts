import path from 'node:path'
import type { PythonPlaces } from './settings.ts'
import { cudaFolders, interpreterOf } from './program.ts'

/** Python on its best behaviour: lines as they are printed, in UTF-8, without warnings and without telling others. */
const PYTHON_ENV = {
  PYTHONUNBUFFERED: '1',
  PYTHONIOENCODING: 'utf-8',
  PYTHONWARNINGS: 'ignore',
  PYANNOTE_METRICS_ENABLED: '0',
  HF_HUB_DISABLE_TELEMETRY: '1',
}

/** The environment of a Python program: its models, its CUDA libraries, and `ffmpeg` where it is not on PATH already. */
export function pythonEnv(
  program: string,
  places: PythonPlaces,
  options: { offline: boolean; ffmpeg?: string | null | undefined },
): Record<string, string> {
  const interpreter = interpreterOf(program)
  const libraries = interpreter === null ? [] : cudaFolders(interpreter)
  const { ffmpeg, offline } = options
  const tools = ffmpeg && path.isAbsolute(ffmpeg) ? [path.dirname(ffmpeg)] : []
  return {
    ...PYTHON_ENV,
    ...places.env,
    ...(offline ? { HF_HUB_OFFLINE: '1' } : {}),
    ...joined('LD_LIBRARY_PATH', libraries, places.libraries),
    ...joined('PATH', tools, places.programs),
  }
}

/** A list of folders with ours before those that are in it; nothing when we have none. */
function joined(
  name: string,
  ours: readonly string[],
  theirs: readonly string[],
): Record<string, string> {
  return ours.length === 0 ? {} : { [name]: [...ours, ...theirs].join(path.delimiter) }
}
