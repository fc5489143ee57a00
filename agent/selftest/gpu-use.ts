import type { EngineInfo } from '../engines/engine.ts'
import { deviceId, type Device } from '../gpu/device.ts'
import type { MemoryUsed } from '../gpu/memory-watch.ts'
import type { Slot } from '../gpu/slots.ts'
import { expect, notChecked } from './check.ts'

export interface GpuUse {
  info: EngineInfo
  slots: readonly Slot[]
  devices: readonly Device[]
  /** Of a server that somebody else runs; null: none. */
  server: string | null
  /** In MiB, by the driver's number. */
  rises: MemoryUsed
}

/** CUDA alone takes this much in a process, before any model. */
const LEAST_RISE_MB = 100

/**
 * Whether the engine used the GPU that it was to use, by the memory in use there while it worked.
 * @returns what was found, as a sentence.
 * @throws where it did not, with the fix; where that is not known.
 */
export function checkGpuUse({ info, slots, devices, server, rises }: GpuUse): string {
  const gpus = slots.filter(({ gpu }) => gpu !== null)
  if (gpus.length === 0) return 'No GPU is to be used: recognition runs on the CPU.'
  if (info.device === 'cpu') notChecked(`the engine ${info.name} runs on the CPU.`)
  if (server !== null) notChecked(`the server at ${server} was not started by this agent.`)
  const [kind = 'cuda'] = gpus.map((slot) => slot.kind)
  if (kind !== 'cuda') {
    notChecked(`only nvidia-smi says how much memory is in use, not the driver of ${kind}.`)
  }
  const used = devices.filter((device) => gpus.some(({ gpu }) => gpu === deviceId(device)))
  const indexes = [...new Set(used.map(({ index }) => index))]
  const known = indexes.flatMap((index) => {
    const rise = rises.get(index)
    return rise === undefined ? [] : [{ index, rise }]
  })
  if (known.length === 0) {
    notChecked('nvidia-smi does not say how much memory of the GPU is in use.')
  }
  const text = known.map(({ index, rise }) => `${rise} MB on GPU ${index}`).join(', ')
  expect(
    Math.max(...known.map(({ rise }) => rise)) >= LEAST_RISE_MB,
    `the engine ${info.name} was to use the GPU, but the memory in use there did not rise while it worked (${text})`,
    fixFor(info.name),
  )
  return `memory in use rose by ${text}`
}

const CUDA_LIBRARIES =
  'It needs CUDA 12, cuBLAS and cuDNN 9: pipx inject whisper-ctranslate2 nvidia-cublas-cu12 nvidia-cudnn-cu12'
const TORCH =
  'Install PyTorch for CUDA into its environment, until python -c "import torch; print(torch.cuda.is_available())" there prints True'
const FIXES: Readonly<Record<string, string>> = {
  'whisper-cpp':
    'Build whisper.cpp with CUDA (cmake -B build -DGGML_CUDA=1): a build without runs on the CPU and says nothing',
  'faster-whisper': CUDA_LIBRARIES,
  whisperx: TORCH,
  'openai-whisper': TORCH,
  'transcribe-cpp':
    'Install the Vulkan loader (Debian: apt-get install libvulkan1) and the driver’s part for Vulkan; in a container, allow NVIDIA_DRIVER_CAPABILITIES=all',
  command: 'Give the program of --engine-command its option for the GPU, or its build for it',
  'openai-api': 'Give the server of --engine-command its option for the GPU, or its build for it',
}

function fixFor(engine: string): string {
  const fix = FIXES[engine] ?? 'Install the build of the engine for this GPU'
  return `${fix}. If it is to run on the CPU: --gpus none.`
}
