import type { PlanRequest } from '../cli-program.ts'
import { usable, type EngineSettings, type Probe } from '../definition.ts'
import type { EngineInfo } from '../engine.ts'
import { whisperLanguage } from '../whisper/languages.ts'
import { pythonEnv, pythonPlaces, type PythonPlaces } from './places.ts'
import { deviceName, usesGpu } from './probe.ts'

export interface PythonSetup {
  program: string
  model: string
  /** Name to folder or file; null: the program fetches it by its name. */
  models: ReadonlyMap<string, string | null>
  threads: number | null
  gpu: boolean
  env: Record<string, string>
}

/**
 * @param modelOf where the model of that name lies; null: the program fetches it.
 * @throws {AppError} as {@link usable}.
 */
export function pythonSetup(
  name: string,
  settings: EngineSettings,
  probe: Probe,
  modelOf: (model: string, places: PythonPlaces) => string | null,
): { setup: PythonSetup; info: EngineInfo; places: PythonPlaces } {
  const { program, model, version } = usable(name, probe)
  const places = pythonPlaces(settings)
  const setup = {
    program,
    model,
    models: new Map(probe.models.map((one) => [one, modelOf(one, places)])),
    threads: settings.threads,
    gpu: usesGpu(settings),
    env: pythonEnv(program, places, settings),
  }
  return { setup, info: { name, model, device: deviceName(settings), version }, places }
}

/** The options that openai-whisper began with and the others took over. */
export function sharedOptions({ workDir, options, again }: PlanRequest, model: string): string[] {
  // English-only models take no other language, and detect none.
  const language = model.endsWith('.en') ? 'en' : options.language
  const args = ['--output_dir', workDir, '--output_format', 'json', '--task', options.task]
  if (language !== null) args.push('--language', whisperLanguage(language) ?? language)
  if (again) args.push('--temperature', '0.4')
  // Joined by `=`: a text may begin with a dash.
  else if (options.prompt !== null) args.push(`--initial_prompt=${options.prompt}`)
  return args
}

export function hotwordOptions({ options, again }: PlanRequest): string[] {
  return options.hotwords === null || again ? [] : [`--hotwords=${options.hotwords}`]
}
