import { unusable, type EngineSettings, type Probe } from '../definition.ts'
import { findProgram } from '../../process/find-program.ts'
import type { Models } from './models.ts'
import { pythonEnv, type PythonPlaces } from './places.ts'
import { answerOf, askPython, interpreterOf } from './program.ts'

/** What is asked of a program written in Python, to see whether it can be used. */
export interface PythonProgram {
  /** On PATH. */
  name: string
  /** As pip knows it. */
  package: string
  /** What shows that a program is the right one where no Python can be asked: arguments, and what it then prints. */
  shows: { args: readonly string[]; text: RegExp }
  /** A line of Python that prints `True` or `False`: whether the GPU can be used. */
  seesGpu: string
  /** Whether it calls `ffmpeg` to read audio. */
  needsFfmpeg?: true
}

/** Looks whether it is installed, works, sees the GPU where there is one, and has a model or can get it. */
export async function probePython(
  python: PythonProgram,
  settings: EngineSettings,
  places: PythonPlaces,
  models: Models,
  signal: AbortSignal,
): Promise<Probe> {
  const install = `pip install ${python.package}`
  const wanted = settings.program ?? python.name
  const program = findProgram(wanted, places.programs)
  if (program === null) return unusable(`The program ${wanted} is not found. Install it: ${install}.`)
  const env = pythonEnv(program, places, { offline: true })
  const version = await versionOf(python, program, env, signal)
  if (version === null) {
    return unusable(
      `'${program}' does not answer as ${python.package} does. Install it again: ${install}.`,
    )
  }
  const here = {
    program,
    version: version === '' ? null : version,
    model: models.problem === null ? (models.names[0] ?? null) : null,
  }
  const problem =
    models.problem ??
    (await gpuProblem(python, program, settings, env, signal)) ??
    ffmpegProblem(python, settings, places)
  const what = `${python.package}${version && ` ${version}`} at '${program}'`
  if (problem !== null) return unusable(`Found ${what}, but ${problem}.`, here)
  const model = models.fetched
    ? `the model ${here.model} is not here: the first job downloads it`
    : `the model ${here.model} is here`
  return { ...here, models: models.names, usable: true, why: `Found ${what}; ${model}.` }
}

/** Null when it is not the program it should be, empty when it is but the version cannot be told. */
async function versionOf(
  python: PythonProgram,
  program: string,
  env: Record<string, string>,
  signal: AbortSignal,
): Promise<string | null> {
  const interpreter = interpreterOf(program)
  if (interpreter !== null) {
    // Asking Python for the package's version imports nothing of it, which would take seconds.
    const code = `from importlib.metadata import version; print(version('${python.package}'))`
    const answer = await askPython(interpreter, code, env, signal)
    if (answer !== null && /^\d[\w.+-]*$/.test(answer)) return answer
  }
  const shown = await answerOf(program, python.shows.args, env, signal)
  if (shown === null || !python.shows.text.test(shown)) return null
  return python.shows.text.exec(shown)?.[1] ?? ''
}

function ffmpegProblem(
  { needsFfmpeg }: PythonProgram,
  { ffmpeg }: EngineSettings,
  { programs }: PythonPlaces,
): string | null {
  if (!needsFfmpeg || ffmpeg || findProgram('ffmpeg', programs) !== null) return null
  return 'it reads audio by the program ffmpeg, which is not on PATH'
}

/** What is wrong with the GPU for it, when there is one; null also when that cannot be found out in time. */
async function gpuProblem(
  { seesGpu, package: name }: PythonProgram,
  program: string,
  settings: EngineSettings,
  env: Record<string, string>,
  signal: AbortSignal,
): Promise<string | null> {
  const interpreter = interpreterOf(program)
  if (interpreter === null || !usesGpu(settings)) return null
  const sees = await askPython(interpreter, seesGpu, env, signal)
  return sees?.endsWith('False')
    ? `it cannot use the GPU ${settings.device.name}: ${name} is installed without support for it`
    : null
}

/** Whether it computes on a GPU: none of them does so on Apple's as it should. */
export function usesGpu({ device }: EngineSettings): boolean {
  return device.kind === 'cuda' || device.kind === 'rocm'
}

/** What a result says it was made on. */
export function deviceName(settings: EngineSettings): string {
  return usesGpu(settings) ? settings.device.name : 'cpu'
}
