import { unusable, type EngineSettings, type Probe } from '../definition.ts'
import { findProgram } from '../../process/find-program.ts'
import type { Models } from './models.ts'
import { pythonEnv, type PythonPlaces } from './places.ts'
import { answerOf, interpreterOf } from './program.ts'

export interface PythonProgram {
  name: string
  package: string
  /** Arguments, and the output that identifies it where its Python cannot be asked. */
  shows: { args: readonly string[]; text: RegExp }
  /** A line of Python that prints `True` or `False`. */
  seesGpu: string
  needsFfmpeg?: true
}

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
  if (program === null)
    return unusable(`The program ${wanted} is not found. Install it: ${install}.`)
  const env = pythonEnv(program, places, { offline: true })
  const version = await versionOf(python, program, env, signal)
  if (version === null) {
    return unusable(
      `'${program}' does not identify itself as ${python.package}. Install it again: ${install}.`,
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

/** Null: another program. Empty: the right one, of unknown version. */
async function versionOf(
  python: PythonProgram,
  program: string,
  env: Record<string, string>,
  signal: AbortSignal,
): Promise<string | null> {
  const interpreter = interpreterOf(program)
  if (interpreter !== null) {
    // Importing the package itself would take seconds.
    const code = `from importlib.metadata import version; print(version('${python.package}'))`
    const answer = await answerOf(interpreter, ['-c', code], env, signal)
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

/** Null also when the program does not answer in time. */
async function gpuProblem(
  { seesGpu, package: name }: PythonProgram,
  program: string,
  settings: EngineSettings,
  env: Record<string, string>,
  signal: AbortSignal,
): Promise<string | null> {
  const interpreter = interpreterOf(program)
  if (interpreter === null || !usesGpu(settings)) return null
  const sees = await answerOf(interpreter, ['-c', seesGpu], env, signal)
  return sees?.endsWith('False')
    ? `it cannot use the GPU ${settings.device.name}: ${name} is installed without support for it`
    : null
}

/** None of them works well on Apple's GPUs. */
export function usesGpu({ device }: EngineSettings): boolean {
  return device.kind === 'cuda' || device.kind === 'rocm'
}

export function deviceName(settings: EngineSettings): string {
  return usesGpu(settings) ? settings.device.name : 'cpu'
}
