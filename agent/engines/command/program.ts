import path from 'node:path'
import { AppError } from '../../../shared/errors.ts'
import type { CliProgram, Outcome, Plan, PlanRequest } from '../cli-program.ts'
import { fillTemplate, hasPlaceholder } from '../../../shared/command-line.ts'
import type { OutputForm } from '../definition.ts'
import type { Recognised } from '../engine.ts'
import { untimed, withinPiece } from '../clip-segments.ts'
import { programFailure, type FailureText } from '../program-failure.ts'
import { parseSubtitles } from '../../media/subtitle-text.ts'
import { readOutput } from '../python/output.ts'
import { readTranscription } from '../whisper-cpp/cli-program.ts'

const NAME = 'command'
const ENDINGS: Record<OutputForm, string> = {
  'whisper-json': 'json',
  srt: 'srt',
  vtt: 'vtt',
  text: 'txt',
}

/** Long pieces: the program may take long to load. */
const PART_SECONDS = 1_800

const KNOWN: readonly FailureText[] = [
  {
    pattern:
      /(CUDA|HIP|GPU|VRAM)[^\n]*out of memory|OutOfMemoryError|cudaMalloc failed|ALLOC_FAILED/i,
    code: 'gpu_out_of_memory',
    why: 'the memory of the GPU is too small for it',
  },
]

/**
 * `template` is the command, with `{wav}`, `{model}`, `{language}` (`auto` when unknown), `{task}` (`transcribe` or
 * `translate`), `{prompt}` and `{out}` in it. The program writes `form` to `{out}`, or to its standard output when
 * there is no `{out}`.
 */
export function commandProgram(
  file: string,
  template: readonly string[],
  form: OutputForm,
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
      partSeconds: PART_SECONDS,
    },
    computeTypes: false,
    plan: (request) => plan(file, template, form, request),
    parse: (output, _outcome, request) => parse(output, form, request),
    classify: (outcome) => classify(outcome),
  }
}

function plan(
  file: string,
  template: readonly string[],
  form: OutputForm,
  { wavPath, workDir, options, compute, again }: PlanRequest,
): Plan {
  const out = path.join(workDir, `out.${ENDINGS[form]}`)
  const prompt = again ? '' : (options.prompt ?? '')
  const args = fillTemplate(template.slice(1), {
    wav: wavPath,
    model: compute.model,
    language: options.language ?? 'auto',
    task: options.task,
    // A job's text must never be taken for an option.
    prompt: prompt.startsWith('-') ? ` ${prompt}` : prompt,
    out,
  })
  return { file, args, env: {}, output: hasPlaceholder(template, 'out') ? out : null }
}

function classify(outcome: Outcome): AppError | null {
  return programFailure(NAME, outcome, outcome.exitCode === 0 ? [] : KNOWN)
}

function parse(
  output: Buffer,
  form: OutputForm,
  request: PlanRequest,
): Omit<Recognised, 'warnings'> {
  const { durationSeconds, options } = request
  const text = output.toString()
  if (form === 'whisper-json') {
    // whisper.cpp's form, or OpenAI's. In a text the quotes would be escaped.
    return /"transcription"\s*:/.test(text)
      ? readTranscription(output, durationSeconds)
      : readOutput(output, NAME, durationSeconds)
  }
  const segments = form === 'text' ? untimed(text, request) : parseSubtitles(text)
  if (segments === null) {
    throw new AppError('engine_failed', `The engine ${NAME} failed: its output is not ${form}.`)
  }
  return { language: options.language, segments: withinPiece(segments, durationSeconds) }
}
