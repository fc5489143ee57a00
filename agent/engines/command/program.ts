import path from 'node:path'
import { AppError } from '../../../shared/errors.ts'
import type { CliProgram, Outcome, Plan, PlanRequest } from '../cli-program.ts'
import { fillTemplate, hasPlaceholder } from '../../../shared/command-line.ts'
import type { ExitCodes, OutputForm } from '../definition.ts'
import type { Recognised } from '../engine.ts'
import { untimed, withinPiece } from '../clip-segments.ts'
import { lastLine, programFailure, type FailureText } from '../program-failure.ts'
import { parseSubtitles } from '../../media/subtitle-text.ts'
import { readJson } from './json-output.ts'
import { readTimedLines } from './timed-lines.ts'

const NAME = 'command'
const ENDINGS: Record<OutputForm, string> = {
  'whisper-json': '.json',
  srt: '.srt',
  vtt: '.vtt',
  'timed-lines': '.txt',
  text: '.txt',
}

/** Long pieces: the program may take long to load. */
const PART_SECONDS = 1_800
/** Text without times is as far off as its piece is long. */
const UNTIMED_PART_SECONDS = 28

const KNOWN: readonly FailureText[] = [
  {
    pattern:
      /(CUDA|HIP|GPU|VRAM)[^\n]*out of memory|OutOfMemoryError|cudaMalloc failed|ALLOC_FAILED/i,
    code: 'gpu_out_of_memory',
    why: 'the memory of the GPU is too small for it',
  },
]

export interface CommandOptions {
  form: OutputForm
  exitCodes: ExitCodes
}

/**
 * `template` is the command, with `{wav}`, `{model}`, `{language}` (`auto` when unknown), `{task}` (`transcribe` or
 * `translate`) and `{prompt}` in it. The program writes a transcript of the `form` to the file `{out}`, to `{outbase}`
 * and the form's ending, or under a name of its own into the folder `{outdir}`; without any of them to its standard
 * output.
 */
export function commandProgram(
  file: string,
  template: readonly string[],
  { form, exitCodes }: CommandOptions,
): CliProgram {
  return {
    name: NAME,
    abilities: {
      languages: null,
      translate: hasPlaceholder(template, 'task'),
      words: form === 'whisper-json',
      speakers: false,
      prompt: hasPlaceholder(template, 'prompt'),
      hotwords: false,
      partSeconds: form === 'text' ? UNTIMED_PART_SECONDS : PART_SECONDS,
    },
    computeTypes: false,
    plan: (request) => plan(file, template, form, request),
    parse: (output, _outcome, request) => parse(output, form, request),
    classify: (outcome) => classify(outcome, exitCodes),
  }
}

function plan(
  file: string,
  template: readonly string[],
  form: OutputForm,
  { wavPath, workDir, options, compute, again }: PlanRequest,
): Plan {
  const ending = ENDINGS[form]
  const outbase = path.join(workDir, 'out')
  const prompt = again ? '' : (options.prompt ?? '')
  const args = fillTemplate(template.slice(1), {
    wav: wavPath,
    model: compute.model,
    language: options.language ?? 'auto',
    task: options.task,
    // A job's text must never be taken for an option.
    prompt: prompt.startsWith('-') ? ` ${prompt}` : prompt,
    out: `${outbase}${ending}`,
    outbase,
    outdir: workDir,
  })
  const output =
    hasPlaceholder(template, 'out') || hasPlaceholder(template, 'outbase')
      ? `${outbase}${ending}`
      : hasPlaceholder(template, 'outdir')
        ? { folder: workDir, ending, stem: path.parse(wavPath).name }
        : null
  return { file, args, env: {}, output }
}

function classify(outcome: Outcome, exitCodes: ExitCodes): AppError | null {
  const { exitCode, stderr } = outcome
  const code = exitCode === null ? undefined : exitCodes[exitCode]
  if (code === undefined) return programFailure(NAME, outcome, exitCode === 0 ? [] : KNOWN)
  const last = lastLine(stderr)
  const why = `it ended with code ${exitCode}, which --engine-exit-codes calls ${code}`
  return new AppError(code, `The engine ${NAME} failed: ${last === '' ? why : `${why}: ${last}`}.`)
}

function parse(
  output: Buffer,
  form: OutputForm,
  request: PlanRequest,
): Omit<Recognised, 'warnings'> {
  const { durationSeconds, options } = request
  if (form === 'whisper-json') return readJson(output, NAME, request)
  const text = output.toString()
  const segments =
    form === 'text'
      ? untimed(text, request)
      : form === 'timed-lines'
        ? readTimedLines(text)
        : parseSubtitles(text)
  if (segments === null) {
    throw new AppError('engine_failed', `The engine ${NAME} failed: its output is not ${form}.`)
  }
  return {
    language: options.language,
    segments: withinPiece(segments, durationSeconds),
    ...(form === 'text' ? { hasEstimatedTimes: true } : {}),
  }
}
