import { existsSync } from 'node:fs'
import path from 'node:path'
import { CliEngine } from '../cli-engine.ts'
import type { EngineDefinition, EngineSettings, Probe } from '../definition.ts'
import type { Engine } from '../engine.ts'
import { OPENAI_WHISPER, openaiWhisperProgram } from './openai-whisper-program.ts'
import { pythonPlaces } from './settings.ts'
import { pythonEnv } from './environment.ts'
import type { Models } from './models.ts'
import { deviceName, probePython, usesGpu, type PythonProgram } from './probe.ts'
import { usableProbe } from '../usable-probe.ts'

const PROGRAM: PythonProgram = {
  name: 'whisper',
  package: 'openai-whisper',
  // It has no --version, and other programs of that name have other options.
  shows: { args: ['--help'], text: /--condition_on_previous_text/ },
  seesGpu: 'import torch; print(torch.cuda.is_available())',
  needsFfmpeg: true,
}

/** The models that it fetches by name, the best one first. */
const NAMES = (
  'large-v3-turbo large-v3 large-v2 large-v1 medium small base tiny ' +
  'medium.en small.en base.en tiny.en'
).split(' ')
const ALIASES: Record<string, string> = { turbo: 'large-v3-turbo', large: 'large-v3' }

/** OpenAI's own Whisper, the slowest and hungriest of them: for those who have it already. */
export const openaiWhisper: EngineDefinition = {
  name: OPENAI_WHISPER,
  description: "openai-whisper: OpenAI's own program, Python and PyTorch, slow",
  async probe(settings: EngineSettings, signal: AbortSignal): Promise<Probe> {
    const places = pythonPlaces(settings)
    return await probePython(
      PROGRAM,
      settings,
      places,
      findModels(settings, places.whisper),
      signal,
    )
  },
  create(settings: EngineSettings, probe: Probe): Engine {
    const { program, model, version } = usableProbe(OPENAI_WHISPER, probe)
    const places = pythonPlaces(settings)
    const setup = {
      program,
      model,
      models: new Map(
        probe.models.map((name) => [name, modelFile(name, settings, places.whisper)]),
      ),
      threads: settings.threads,
      gpu: usesGpu(settings),
      env: pythonEnv(program, places, settings),
    }
    const info = { name: OPENAI_WHISPER, model, device: deviceName(settings), version }
    // It has no batches.
    const compute = { ...settings, batchSize: null, computeType: null }
    return new CliEngine(openaiWhisperProgram(setup), compute, info, probe.models)
  },
}

function findModels(settings: EngineSettings, folder: string): Models {
  const { model, offline, device } = settings
  const here = NAMES.filter((name) => modelFile(name, settings, folder) !== null)
  const wish = model === null || !model.endsWith('.pt') ? model : path.parse(model).name
  const name =
    (wish === null ? here[0] : (ALIASES[wish] ?? wish)) ??
    (device.kind === 'cpu' ? 'small' : 'large-v3-turbo')
  const names = [name, ...here.filter((other) => other !== name)]
  if (modelFile(name, settings, folder) !== null) return { names, fetched: false, problem: null }
  const problem = !NAMES.includes(name)
    ? `there is no model '${model}' here, and openai-whisper knows none of that name`
    : offline
      ? `the model ${name} is not here, and nothing is fetched offline`
      : null
  return { names, fetched: true, problem }
}

/** A model by its name: the file `model` of the settings when it goes by that, else what was fetched before. */
function modelFile(name: string, { model }: EngineSettings, folder: string): string | null {
  if (model?.endsWith('.pt') && path.parse(model).name === name) {
    return existsSync(model) ? path.resolve(model) : null
  }
  const fetched = path.join(folder, `${name}.pt`)
  return existsSync(fetched) ? fetched : null
}
