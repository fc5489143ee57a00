import { existsSync } from 'node:fs'
import { CliEngine } from '../cli-engine.ts'
import type { EngineDefinition, EngineSettings, Probe } from '../definition.ts'
import type { Engine } from '../engine.ts'
import { pythonPlaces } from './settings.ts'
import { pythonEnv } from './environment.ts'
import { cachedIn } from './hub.ts'
import { findModels, modelFolder } from './models.ts'
import { deviceName, probePython, usesGpu, type PythonProgram } from './probe.ts'
import { alignedLanguages } from './whisperx-alignment.ts'
import { WhisperxEngine } from './whisperx-engine.ts'
import { WHISPERX, whisperxProgram } from './whisperx-program.ts'
import { usableProbe } from '../usable-probe.ts'

const PROGRAM: PythonProgram = {
  name: 'whisperx',
  package: 'whisperx',
  shows: { args: ['--version'], text: /^whisperx (\S+)/ },
  seesGpu: 'import torch; print(torch.cuda.is_available())',
  needsFfmpeg: true,
}

/** As many pieces at once as it takes by itself: said, so that they can be halved when memory is short. */
const BATCH_SIZE = 8

/** The model that tells speakers apart: behind a consent, for which Hugging Face wants a token. */
const SPEAKERS = 'pyannote/speaker-diarization-community-1'

/** whisperx: faster-whisper in batches, words aligned to the audio, speakers told apart. */
export const whisperx: EngineDefinition = {
  name: WHISPERX,
  description: 'whisperx: Python, PyTorch and CTranslate2, exact word times, tells speakers apart',
  async probe(settings: EngineSettings, signal: AbortSignal): Promise<Probe> {
    const places = pythonPlaces(settings)
    const models = await findModels(settings, places.hub)
    return await probePython(PROGRAM, settings, places, models, signal)
  },
  create(settings: EngineSettings, probe: Probe): Engine {
    const { program, model, version } = usableProbe(WHISPERX, probe)
    const places = pythonPlaces(settings)
    const { offline, threads } = settings
    const canFetch = !offline && (places.token !== null || existsSync(places.tokenFile))
    const setup = {
      program,
      model,
      models: new Map(probe.models.map((name) => [name, modelFolder(name, settings, places.hub)])),
      threads,
      gpu: usesGpu(settings),
      offline,
      aligned: alignedLanguages(places, offline),
      env: pythonEnv(program, places, settings),
      token: places.token,
      speakers: cachedIn(places.hub, SPEAKERS, ['config.yaml']) !== null || canFetch,
    }
    const info = { name: WHISPERX, model, device: deviceName(settings), version }
    const compute = { ...settings, batchSize: settings.batchSize ?? BATCH_SIZE }
    const plain = whisperxProgram({ ...setup, aligned: new Set() })
    return new WhisperxEngine(
      new CliEngine(plain, compute, info, probe.models),
      whisperxProgram(setup),
      compute,
      info,
      probe.models,
    )
  },
}
