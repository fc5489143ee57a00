import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { Option, type Command } from 'commander'
import { AppError } from '../../shared/errors.ts'
import { FORMS, renderForm, type Form } from '../../shared/forms.ts'
import {
  addLogSettings,
  addMediaSettings,
  logSettings,
  mediaSettings,
  wantsPlainOutput,
  type Flags,
} from '../config.ts'
import { createEngine } from '../engines/registry.ts'
import { findTools } from '../ffmpeg.ts'
import { contentTypeOf } from '../file-type.ts'
import { interruptible } from '../interrupt.ts'
import { writeOutput } from '../output.ts'
import { createPipeline } from '../pipeline.ts'
import { createReporter } from '../reporter.ts'

const EXAMPLES = `
Examples:
  morag-agent transcribe talk.mp3
  morag-agent transcribe talk.mp4 --format srt --output talk.srt
  morag-agent transcribe talk.mp3 --format json | jq .segments
`

export function addTranscribe(cli: Command): void {
  const command = cli
    .command('transcribe')
    .description('turn a file into text here, without a coordinator')
    .argument('<file>', 'audio or video')
    .addOption(formOption())
    .option('--output <file>', 'where to write it (default: standard output)')
    .addOption(new Option('--type <type>', 'what the file is').choices(['audio', 'video']))
    .option('--language <code>', 'the language that is spoken')
  addMediaSettings(command)
  addLogSettings(command)
  command.addHelpText('after', EXAMPLES).action(transcribe)
}

export function formOption(): Option {
  return new Option('--format <format>', 'form of the transcript').choices(FORMS).default('md')
}

async function transcribe(file: string, flags: Flags): Promise<void> {
  const { engine: name, ffmpeg, modelsDir } = mediaSettings(flags)
  const { logLevel: level, logFormat: format } = logSettings(flags)
  const stream = process.stderr
  const reporter = createReporter({
    level,
    format: format === 'json' ? 'none' : 'text',
    stream,
    plain: wantsPlainOutput(),
    times: false,
  })
  const signal = interruptible()
  const workDir = await mkdtemp(path.join(tmpdir(), 'morag-transcribe-'))
  const filename = path.basename(file)
  const activity = reporter.begin(file, filename)
  try {
    const tools = await findTools(ffmpeg)
    const engine = await createEngine(name, {
      modelsDir,
      onPull: (text) => reporter.event('info', text),
    })
    const pipeline = createPipeline({ tools, engine })
    try {
      const from = performance.now()
      const converted = await pipeline.convert({
        sourcePath: path.resolve(file),
        filename,
        contentType: typeof flags['type'] === 'string' ? flags['type'] : contentTypeOf(file),
        taskOptions: typeof flags['language'] === 'string' ? { language: flags['language'] } : {},
        workDir,
        signal,
        report: (progress) => activity.update(progress),
      })
      activity.done(`done in ${((performance.now() - from) / 1000).toFixed(1)} s`)
      for (const warning of warningsOf(converted.metadata)) reporter.event('warn', warning)
      reporter.close()
      await writeOutput(flags['output'], renderForm(flags['format'] as Form, converted))
    } finally {
      await pipeline.close()
    }
  } catch (error) {
    reporter.close()
    if (error instanceof AppError && error.code === 'source_missing') {
      throw new AppError('usage', `There is no file ${file}.`, { cause: error })
    }
    throw error
  } finally {
    await rm(workDir, { recursive: true, force: true })
  }
}

function warningsOf({ warnings }: Record<string, unknown>): string[] {
  return Array.isArray(warnings) ? warnings.map(String) : []
}
