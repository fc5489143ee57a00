import { existsSync } from 'node:fs'
import { CliEngine } from '../cli-engine.ts'
import type { EngineDefinition } from '../definition.ts'
import { cachedIn, findModels, modelFolder } from './models.ts'
import { pythonPlaces } from './places.ts'
import { pythonSetup } from './plan.ts'
import { probePython, type PythonProgram } from './probe.ts'
import { alignedLanguages } from './whisperx-alignment.ts'
import { WhisperxEngine } from './whisperx-engine.ts'
import { WHISPERX, whisperxProgram } from './whisperx-program.ts'

const PROGRAM: PythonProgram = {
  name: 'whisperx',
  package: 'whisperx',
  shows: { args: ['--version'], text: /^whisperx (\S+)/ },
  seesGpu: 'import torch; print(torch.cuda.is_available())',
  needsFfmpeg: true,
}

/** The program's own default, named so that the out-of-memory fallback can halve it. */
const BATCH_SIZE = 8

/** The diarization model: Hugging Face gives it to accounts that accepted its terms. */
const SPEAKERS = 'pyannote/speaker-diarization-community-1'

/** whisperx: faster-whisper in batches, words aligned to the audio, diarization. */
export const whisperx: EngineDefinition = {
  name: WHISPERX,
  description: 'whisperx: Python, PyTorch and CTranslate2, exact word times, tells speakers apart',
  async probe(settings, signal) {
    const places = pythonPlaces(settings)
    const models = await findModels(WHISPERX, settings, places.hub)
    return await probePython(PROGRAM, settings, places, models, signal)
  },
  create(settings, probe) {
    const { setup, info, places } = pythonSetup(WHISPERX, settings, probe, (model, { hub }) =>
      modelFolder(model, settings, hub),
    )
    const { offline } = settings
    const canFetch = !offline && (places.token !== null || existsSync(places.tokenFile))
    const all = {
      ...setup,
      offline,
      aligned: alignedLanguages(places, offline),
      token: places.token,
      speakers: cachedIn(places.hub, SPEAKERS, ['config.yaml']) !== null || canFetch,
    }
    const batched = { ...settings, batchSize: settings.batchSize ?? BATCH_SIZE }
    const unaligned = whisperxProgram({ ...all, aligned: new Set() })
    return new WhisperxEngine(
      new CliEngine(unaligned, batched, info, probe.models),
      whisperxProgram(all),
      batched,
      info,
      probe.models,
    )
  },
}
