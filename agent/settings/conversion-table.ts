import { splitCommand } from '../../shared/command-line.ts'
import { wholeNumber } from '../../shared/settings.ts'
import type { SettingTable } from '../../shared/setting-table.ts'
import { OUTPUT_FORMS } from '../engines/definition.ts'
import { ENGINE_NAMES } from '../engines/registry.ts'
import { SANDBOXES } from '../media/sandbox.ts'
import { mirrorUrl } from '../models/config.ts'
import { audioTrack, gpuList, outOfMemory } from './setting-values.ts'

/** Where models come from. */
export const MODEL_SOURCE = {
  mirror: {
    flag: '--mirror <url>',
    env: 'MORAG_MODELS_MIRROR',
    help: 'get models from here instead of huggingface.co and github.com',
    parse: mirrorUrl,
    isPrivate: true,
    doc: 'where models of Whisper’s engines come from, instead of huggingface.co and github.com',
  },
  offline: {
    flag: '--offline',
    env: 'MORAG_OFFLINE',
    help: 'never use the network for models or ffmpeg: those that are here have to do',
    doc: 'fetch no models and no ffmpeg: those that are here have to do (`1` or `0`)',
  },
} as const satisfies SettingTable

export const MODELS_DIR = {
  modelsDir: {
    flag: '--models-dir <dir>',
    env: 'MORAG_MODELS_DIR',
    help: 'where models are kept',
    defaultText: 'morag/models in the cache folder',
    doc: 'where models are kept; the cache folder is `$XDG_CACHE_HOME`, else `~/.cache`',
  },
} as const satisfies SettingTable

/** What recognises speech; the keys are those of `EngineSettings`. */
export const ENGINE = {
  engine: {
    flag: '--engine <name>',
    env: 'MORAG_ENGINE',
    help: 'what recognises speech',
    choices: ENGINE_NAMES,
    default: 'auto',
    doc: 'what recognises speech: [the engines](agent/docs/engines-and-models.md#engines)',
  },
  model: {
    flag: '--model <name>',
    env: 'MORAG_MODEL',
    help: "the engine's model, by name or path",
    defaultText: 'the best that is here',
  },
  program: {
    flag: '--engine-path <program>',
    env: 'MORAG_ENGINE_PATH',
    help: "the engine's program",
    defaultText: 'looked for in PATH',
  },
  url: {
    flag: '--engine-url <url>',
    env: 'MORAG_ENGINE_URL',
    help: "a server that speaks OpenAI's protocol, for the engine openai-api",
    doc: "a server that speaks OpenAI's protocol, for `openai-api`; its key stands in `MORAG_ENGINE_API_KEY`",
  },
  command: {
    flag: '--engine-command <command>',
    env: 'MORAG_ENGINE_COMMAND',
    help: 'what to run: the server behind --engine-url, or the program of the engine command',
    parse: splitCommand,
    doc: 'what to run: that server, or the program of the engine `command`',
  },
  commandOutput: {
    flag: '--engine-output <form>',
    env: 'MORAG_ENGINE_OUTPUT',
    help: 'what that program writes',
    choices: OUTPUT_FORMS,
    default: 'whisper-json',
    doc: 'what that program writes: `whisper-json`, `srt`, `vtt` or `text`',
  },
  computeType: {
    flag: '--compute-type <type>',
    env: 'MORAG_COMPUTE_TYPE',
    help: 'compute type (float16, int8_float16, …)',
    doc: 'compute type: `float16`, `int8_float16`, `int8`, …; default: the engine’s',
  },
  batchSize: {
    flag: '--batch-size <count>',
    env: 'MORAG_BATCH_SIZE',
    help: 'windows recognised together',
    parse: wholeNumber(1, 256),
    doc: 'windows recognised together; default: the engine’s',
  },
  threads: {
    flag: '--threads <count>',
    env: 'MORAG_THREADS',
    help: 'CPU threads of each recognition',
    parse: wholeNumber(1, 256),
    doc: 'CPU threads of each recognition; default: the engine’s',
  },
  onOutOfMemory: {
    flag: '--on-out-of-memory <list>',
    env: 'MORAG_ON_OUT_OF_MEMORY',
    help: 'what may be done when the GPU has too little memory even so: smaller-model,cpu',
    parse: outOfMemory,
    default: { smallerModel: false, cpu: false },
    defaultText: 'neither',
    doc: 'what may be done when smaller batches and compute types do not help: `smaller-model,cpu`',
  },
} as const satisfies SettingTable

/** What recognitions run on. */
export const SLOTS = {
  gpus: {
    flag: '--gpus <list>',
    env: 'MORAG_GPUS',
    help: 'GPUs to use: all, none, or numbers like 0,1',
    parse: gpuList,
    default: 'all',
    doc: 'GPUs to use: `all`, `none`, or a list like `0,1`; default: what `CUDA_VISIBLE_DEVICES` says, else `all`',
  },
  slotsPerGpu: {
    flag: '--slots-per-gpu <count>',
    env: 'MORAG_SLOTS_PER_GPU',
    help: 'recognitions at a time on each GPU',
    parse: wholeNumber(1, 16),
    default: 1,
  },
} as const satisfies SettingTable

export const CPU_SLOTS = {
  cpuSlots: {
    flag: '--slots <count>',
    env: 'MORAG_WORKER_MAX_CONCURRENT_JOBS',
    help: 'recognitions and conversions at a time where no GPU is used',
    parse: wholeNumber(1, 64),
    default: 1,
  },
} as const satisfies SettingTable

export const SPEAKERS = {
  always: {
    flag: '--diarize',
    env: 'MORAG_DIARIZE',
    help: 'say who speaks, where a job does not decide',
  },
  prefix: {
    flag: '--speaker-prefix <text>',
    env: 'MORAG_SPEAKER_PREFIX',
    help: 'what the names of speakers begin with',
    default: 'Speaker_',
  },
  segmentation: {
    flag: '--speaker-segmentation <file>',
    env: 'MORAG_SPEAKER_SEGMENTATION',
    help: 'model that finds turns (pyannote segmentation as ONNX)',
    doc: 'model (ONNX) that finds turns where neither the channels nor the engine tell speakers apart; with `--speaker-embedding`',
  },
  embedding: {
    flag: '--speaker-embedding <file>',
    env: 'MORAG_SPEAKER_EMBEDDING',
    help: 'model that tells voices apart (ONNX)',
  },
} as const satisfies SettingTable

/** How files are read. */
export const MEDIA = {
  audioTrack: {
    flag: '--audio-track <track>',
    env: 'MORAG_AUDIO_TRACK',
    help: 'of files with several: a number from 0, a language, or mix for all at once',
    parse: audioTrack,
    defaultText: 'the one with speech',
    doc: 'of files with several, where a job does not decide: a number from 0, a language, or `mix` for all at once',
  },
  ffmpeg: {
    flag: '--ffmpeg <path>',
    env: 'MORAG_FFMPEG',
    help: 'ffmpeg to use',
    defaultText: 'that of PATH, else a current one is fetched from PyPI',
    doc: 'ffmpeg to use, with ffprobe beside it; [which one otherwise](agent/docs/recordings.md#which-ffmpeg)',
  },
  sandbox: {
    flag: '--sandbox <kind>',
    env: 'MORAG_SANDBOX',
    help: 'what ffmpeg and converters are locked into while they read a file: bwrap (bubblewrap), auto (that where it works), or none',
    choices: SANDBOXES,
    default: 'auto',
    doc: 'what ffmpeg and converters are locked into while they read a file: `bwrap` (bubblewrap, Linux), `auto` (that where it works), or `none`',
  },
} as const satisfies SettingTable

/** What a conversion needs on this machine. */
export const CONVERSION: readonly SettingTable[] = [
  MODEL_SOURCE,
  ENGINE,
  SLOTS,
  SPEAKERS,
  MEDIA,
  MODELS_DIR,
]
