import type { Capabilities } from '../shared/announcement.ts'
import { AppError } from '../shared/errors.ts'
import type { Device } from './gpu/device.ts'
import { findDevices } from './gpu/find-devices.ts'
import { chooseEngine, type Choice } from './engines/registry.ts'
import type { EngineSettings } from './engines/definition.ts'
import { findLibrary, missingLibrary } from './engines/transcribe-cpp/library.ts'
import { sortformerDiarizer } from './engines/transcribe-cpp/sortformer.ts'
import { modelLabel } from './engines/model-name.ts'
import { findLimiter } from './media/child-limits.ts'
import { openTools } from './media/open-tools.ts'
import type { MediaSettings } from './settings/media-settings.ts'
import { hasDiarizer, type SpeakerSettings } from './diarization/label-speakers.ts'
import { createPipeline } from './work/pipeline.ts'
import { ageProblem, toolsText } from './media/tools-text.ts'
import { isThere } from './models/models.ts'
import { pulledSortformer, pulledSpeakerModels } from './models/speaker-models.ts'
import { longPull } from './models/pull-progress.ts'
import { freeMemoryPerSlot } from './gpu/free-memory.ts'
import { planSlots } from './gpu/slot-plan.ts'
import { Slots, type Slot } from './gpu/slots.ts'
import { createVoiceDetector, NO_VAD } from './transcription/voice-detector.ts'

/** Engines whose model is one of ours, by its name. */
const EMBEDDED = ['moonshine', 'parakeet']

export type Toolchain = Awaited<ReturnType<typeof openToolchain>>

/**
 * Probes this machine. Fetches ffmpeg where it is missing; starts nothing.
 * @param report sentences for people.
 * @param language what will be spoken; default: any.
 * @throws {AppError} `usage`, `engine_missing`, `model_missing`.
 */
export async function openToolchain(
  settings: MediaSettings,
  {
    signal,
    report,
    language = null,
  }: {
    signal: AbortSignal
    report: (level: 'debug' | 'info' | 'warn', text: string) => void
    language?: string | null
  },
) {
  const onPull = (text: string): void => report('info', text)
  const { source } = settings.engineSettings
  const tools = await openTools(settings, {
    dir: settings.modelsDir,
    signal,
    onProgress: onPull,
    onBytes: longPull(onPull),
    source,
  })
  report('debug', toolsText(tools))
  const old = ageProblem(tools, new Date().getFullYear())
  if (old !== null) report('warn', `${old.text}. ${old.fix}`)
  if (findLimiter() === null) {
    report('debug', 'prlimit is not here (util-linux): ffmpeg runs without limits of its own.')
  }
  const { devices, problems } =
    settings.gpus === 'none' ? { devices: [], problems: [] } : await findDevices({ signal })
  for (const problem of problems) report('warn', problem)
  const plan = planSlots({ ...settings, devices })
  const engineSettings = {
    ...settings.engineSettings,
    device: deviceOf(plan, devices),
    ffmpeg: tools.ffmpeg,
    onPull,
  }
  const choice = await chooseEngine(settings.engine, engineSettings, signal, { language })
  const slots = new Slots(plan)
  const speakers = await speakerSettings(settings)
  const vad = createVoiceDetector({
    dir: settings.modelsDir,
    onProgress: onPull,
    ...(source === undefined ? {} : { source }),
  })
  if (vad.method === 'loudness') report('warn', `${NO_VAD.text}. ${NO_VAD.fix}`)
  const pipeline = createPipeline({
    tools,
    engine: choice.engine,
    slots,
    vad,
    speakers,
    audioTrack: settings.audioTrack,
    models: choice.models,
    vocabulary: settings.vocabulary,
  })
  return {
    pipeline,
    tools,
    choice,
    slots,
    devices,
    capabilities: capabilitiesOf(choice, speakers),
    /**
     * Fetches and starts what is needed on every slot, so that no job fails for what is missing.
     * @throws {AppError} `model_missing`, `engine_missing`, `engine_failed`; the signal's reason when aborted.
     */
    async prepare(preparing: AbortSignal): Promise<void> {
      await vad.prepare(preparing)
      await Promise.all(plan.map((slot) => choice.engine.prepare(slot, preparing)))
    },
    /** Whether a required model was removed: the next job fetches it again. */
    async lacksModels(): Promise<boolean> {
      const needed = [
        ...(vad.method === 'silero' ? ['silero-vad'] : []),
        ...(EMBEDDED.includes(choice.engine.info.name) ? [choice.engine.info.model] : []),
      ]
      const there = await Promise.all(needed.map((name) => isThere(name, settings.modelsDir)))
      return there.includes(false)
    },
    async close(): Promise<void> {
      slots.close()
      await pipeline.close()
    },
  }
}

function deviceOf(plan: readonly Slot[], devices: readonly Device[]): EngineSettings['device'] {
  const [first] = plan
  if (first === undefined || first.gpu === null) return { kind: 'cpu', name: 'cpu' }
  const kind = first.kind ?? 'cuda'
  const used = devices.filter((device) => device.kind === kind)
  const name = [...new Set(used.map((device) => device.name))].join(', ')
  return { kind, name, freeMb: freeMemoryPerSlot(plan, devices) }
}

/**
 * The models that are named, else those that `models pull` got; a Sortformer that was pulled only without the others.
 * @throws {AppError} `engine_missing` where a Sortformer is named, and transcribe-cpp is not here.
 */
async function speakerSettings(settings: MediaSettings): Promise<SpeakerSettings> {
  const { speakers, modelsDir, engine, engineSettings } = settings
  const models = speakers.models ?? (await pulledSpeakerModels(modelsDir))
  const file = settings.sortformer ?? (models === null ? await pulledSortformer(modelsDir) : null)
  const folder = engine === 'transcribe-cpp' ? engineSettings.program : null
  const library = file === null ? null : findLibrary(folder)
  if (settings.sortformer !== null && library === null) {
    throw new AppError('engine_missing', `--speaker-sortformer: ${missingLibrary(folder)}`)
  }
  const { threads } = engineSettings
  const sortformer =
    file === null || library === null ? null : sortformerDiarizer({ library, file, threads })
  return { ...speakers, models, sortformer }
}

/** Announced, so that only suitable jobs are assigned. */
function capabilitiesOf(
  { engine, models, languages }: Choice,
  speakers: SpeakerSettings,
): Capabilities {
  const { abilities, info } = engine
  const features = [
    abilities.translate ? ['translate'] : [],
    abilities.words ? ['words'] : [],
    abilities.speakers === true || hasDiarizer(speakers) ? ['diarize'] : [],
  ].flat()
  return {
    engines: [info.name],
    models: [...new Set([info.model, ...models].map((model) => modelLabel(model).slice(0, 100)))],
    languages: languages === null ? null : [...languages],
    features,
  }
}
