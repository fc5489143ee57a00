import { addSettings } from '../../shared/settings.ts'
import { CONVERSION } from '../../agent/settings/conversion-table.ts'
import path from 'node:path'
import { Command } from 'commander'
import { FIRST } from '../../agent/models/catalogue.ts'
import { ensureModel } from '../../agent/models/models.ts'
import { modelsDir } from '../../agent/paths.ts'
import { mediaSettings, type MediaSettings } from '../../agent/settings/media-settings.ts'
import { prepareEngines } from '../../scripts/engines/prepare.ts'

/** An engine as a person chooses it. */
export interface RealEngine {
  /** For the title of a test. */
  title: string
  /** What the metadata calls it, and its model. */
  name: string
  model: string
  flags: string[]
  /** Whether it gives the times of words; default: yes. */
  words?: false
}

/**
 * The engines that run for real, got ready where they are not: all, or those that TEST_ENGINES names (titles, with commas
 * between them).
 */
export async function realEngines(): Promise<RealEngine[]> {
  const all = await preparedEngines()
  const named = process.env['TEST_ENGINES']?.split(',')
  return (
    named?.map((name) => {
      const found = all.find(({ title }) => title === name)
      if (found !== undefined) return found
      throw new Error(
        `TEST_ENGINES names '${name}': it is none of ${all.map((one) => one.title).join(', ')}.`,
      )
    }) ?? all
  )
}

async function preparedEngines(): Promise<RealEngine[]> {
  // They run offline, with the VAD and the ffmpeg that come along.
  const first = { dir: modelsDir(), signal: new AbortController().signal }
  for (const { name } of FIRST) await ensureModel(name, first)
  const paths = await prepareEngines([
    'whisper-cpp',
    'weights',
    'ggml',
    'ctranslate2',
    'transcribe-cpp',
  ])
  const { whisperCli, whisperServer, ggmlModel, ct2Model, ctranslate2Program } = paths
  const { transcribeCpp, ggufModel } = paths
  const server = [whisperServer, '-m', ggmlModel].map((part) => `'${part}'`).join(' ')
  const serve = `${server} -t 2 --host 127.0.0.1 --port {port} --inference-path /v1/audio/transcriptions`
  const common = ['--threads', '2', '--gpus', 'none', '--offline']
  const whisperCpp = ['--engine', 'whisper-cpp', '--model', ggmlModel, ...common, '--engine-path']
  const fasterWhisper = ['--engine', 'faster-whisper', '--model', ct2Model, ...common]
  return [
    {
      title: 'whisper-cli',
      name: 'whisper-cpp',
      model: 'base',
      flags: [...whisperCpp, whisperCli],
    },
    {
      title: 'whisper-server',
      name: 'whisper-cpp',
      model: 'base',
      flags: [...whisperCpp, whisperServer],
    },
    {
      title: 'openai-api on whisper-server',
      name: 'openai-api',
      model: 'whisper-1',
      flags: ['--engine', 'openai-api', '--engine-command', serve, ...common],
    },
    {
      title: 'faster-whisper',
      name: 'faster-whisper',
      model: path.basename(ct2Model),
      flags: [...fasterWhisper, '--engine-path', ctranslate2Program],
    },
    {
      title: 'transcribe-cpp',
      name: 'transcribe-cpp',
      model: 'whisper-base-F16',
      words: false,
      flags: [
        '--engine',
        'transcribe-cpp',
        '--model',
        ggufModel,
        ...common,
        '--engine-path',
        transcribeCpp,
      ],
    },
  ]
}

/** What the command line makes of those flags. */
export function settingsOf(flags: readonly string[]): MediaSettings {
  const command = addSettings(new Command(), ...CONVERSION).parse(flags, { from: 'user' })
  return mediaSettings(command.opts())
}
