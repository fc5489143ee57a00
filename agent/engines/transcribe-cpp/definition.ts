import { existsSync } from 'node:fs'
import path from 'node:path'
import { messageOf } from '../../../shared/errors.ts'
import { timeoutSignal } from '../../../shared/timers.ts'
import { installedModels } from '../../models/installed.ts'
import { isSortformer } from '../../models/sortformer.ts'
import {
  unusable,
  usable,
  type EngineDefinition,
  type EngineSettings,
  type Probe,
} from '../definition.ts'
import { gpusOf } from './device.ts'
import { TranscribeCppEngine } from './engine.ts'
import { libraryEnv } from './environment.ts'
import { findLibrary, missingLibrary, type BackendDevice, type Library } from './library.ts'
import { fileOf, isKnown, isPath, usualModel } from './model-file.ts'
import { TranscribeCppProcess } from './process.ts'

/** A driver that hangs must not hang the agent. */
const ANSWER_MS = 30_000

/** Whisper, Parakeet and others as GGUF, in a process of ours; the only engine from npm that uses a GPU. */
export const transcribeCpp: EngineDefinition = {
  name: 'transcribe-cpp',
  description: 'transcribe.cpp: an npm package, Whisper, Parakeet and others on GPU and CPU',
  probe,
  create(settings, probed) {
    const { program, model, version } = usable('transcribe-cpp', probed)
    const info = { name: 'transcribe-cpp', model, device: settings.device.name, version }
    return new TranscribeCppEngine({ url: program, version }, settings, info, probed.models)
  },
}

async function probe(settings: EngineSettings, signal: AbortSignal): Promise<Probe> {
  const { gguf, ggml } = await installedModels(settings.modelsDir)
  const models = [...gguf.filter((name) => !isSortformer(name)), ...ggml]
  const library = findLibrary(settings.program)
  if (library === null) return unusable(missingLibrary(settings.program), { models })
  const found = { program: library.url, version: library.version, models }
  const onCpu = settings.device.kind === 'cpu'
  const model = settings.model ?? usualModel(models, onCpu)
  const isHere = existsSync(fileOf(settings.modelsDir, model))
  const lack = isHere ? null : lackOf(model, settings)
  if (lack !== null) return unusable(lack, found)
  // On a CPU without a model it is no choice: it is loaded when it is named and used.
  const devices = onCpu && !isHere ? [] : await devicesOf(library, signal)
  if (typeof devices === 'string') return unusable(devices, found)
  const { where, lacksGpu } = whereOn(devices, onCpu)
  const when = isHere ? 'is here' : 'is fetched at the first use'
  const why = `The npm package transcribe-cpp ${library.version} ${where}; its model ${path.basename(model)} ${when}.`
  // Jobs may name the model that the settings name by path.
  const all = !isHere || models.includes(model) ? models : [model, ...models]
  return { ...found, usable: true, why, model, models: all, ...(lacksGpu ? { lacksGpu } : {}) }
}

/** For the sentence that says why it is chosen. */
function whereOn(
  devices: readonly BackendDevice[],
  onCpu: boolean,
): { where: string; lacksGpu: boolean } {
  if (onCpu) return { where: 'runs on the CPU', lacksGpu: false }
  const [gpu] = gpusOf(devices)
  return gpu === undefined
    ? { where: NO_GPU, lacksGpu: true }
    : { where: `uses ${gpu.description} by ${gpu.kind}`, lacksGpu: false }
}

const NO_GPU =
  'finds no GPU and would run on the CPU (for NVIDIA and AMD it needs the Vulkan loader, libvulkan1, and the driver’s part for Vulkan)'

/** Why a model that is not here cannot be fetched, or null. */
function lackOf(model: string, settings: EngineSettings): string | null {
  if (isPath(model) || !isKnown(model)) {
    return `It has no model '${model}': morag-agent models list --all shows those that it can fetch, as gguf/NAME.`
  }
  return isOffline(settings)
    ? `Its model '${model}' is not here, and the network is not to be used. Pull it: morag-agent models pull gguf/${model}`
    : null
}

function isOffline({ offline, source }: EngineSettings): boolean {
  return offline || source?.offline === true
}

/** What the library finds here, or why it cannot be loaded. */
async function devicesOf(library: Library, signal: AbortSignal): Promise<BackendDevice[] | string> {
  const child = new TranscribeCppProcess(libraryEnv())
  try {
    const limited = AbortSignal.any([signal, timeoutSignal(ANSWER_MS)])
    return await child.devices(library.url, { signal: limited, idleMs: ANSWER_MS })
  } catch (error) {
    signal.throwIfAborted()
    return messageOf(error)
  } finally {
    await child.kill()
  }
}
