import { CliEngine } from '../cli-engine.ts'
import type { EngineDefinition, EngineSettings, Probe } from '../definition.ts'
import type { Engine } from '../engine.ts'
import { FASTER_WHISPER, fasterWhisperProgram } from './faster-whisper-program.ts'
import { pythonPlaces } from './settings.ts'
import { pythonEnv } from './environment.ts'
import { findModels, modelFolder } from './models.ts'
import { deviceName, probePython, usesGpu, type PythonProgram } from './probe.ts'
import { usableProbe } from '../usable-probe.ts'

const PROGRAM: PythonProgram = {
  name: 'whisper-ctranslate2',
  package: 'whisper-ctranslate2',
  shows: { args: ['--version'], text: /^whisper-ctranslate2 (\S+)/ },
  seesGpu: 'import ctranslate2; print(ctranslate2.get_cuda_device_count() > 0)',
}

/** faster-whisper through the program whisper-ctranslate2. */
export const fasterWhisper: EngineDefinition = {
  name: FASTER_WHISPER,
  description: 'faster-whisper by whisper-ctranslate2: Python, CTranslate2, fast on GPU and CPU',
  async probe(settings: EngineSettings, signal: AbortSignal): Promise<Probe> {
    const places = pythonPlaces(settings)
    const models = await findModels(settings, places.hub)
    return await probePython(PROGRAM, settings, places, models, signal)
  },
  create(settings: EngineSettings, probe: Probe): Engine {
    const { program, model, version } = usableProbe(FASTER_WHISPER, probe)
    const places = pythonPlaces(settings)
    const folders = probe.models.map(
      (name) => [name, modelFolder(name, settings, places.hub)] as const,
    )
    const setup = {
      program,
      model,
      models: new Map(folders),
      threads: settings.threads,
      gpu: usesGpu(settings),
      env: pythonEnv(program, places, settings),
    }
    return new CliEngine(
      fasterWhisperProgram(setup),
      settings,
      { name: FASTER_WHISPER, model, device: deviceName(settings), version },
      probe.models,
    )
  },
}
