import path from 'node:path'
import type { AppError } from '../../../shared/errors.ts'
import type { CliProgram, Outcome, Plan, PlanRequest } from '../cli-program.ts'
import type { Recognised } from '../engine.ts'
import { whisperAbilities } from '../whisper/abilities.ts'
import { failureOf } from './failures.ts'
import { readOutput } from './output.ts'
import { hotwordOptions, sharedOptions, type PythonSetup } from './plan.ts'
import { detectedIn, type DetectionLines } from './printed.ts'
import { LaterStageError } from './whisperx-engine.ts'
import { whisperxProgress } from './whisperx-progress.ts'

export const WHISPERX = 'whisperx'

export interface WhisperxSetup extends PythonSetup {
  offline: boolean
  speakers: boolean
  /** The languages whose words can be aligned. */
  aligned: ReadonlySet<string>
  token: string | null
}

const LINES: DetectionLines = {
  file: /Performing transcription\.\.\.|^Performing transcription/,
  language: /Detected language: (\w+) \(([\d.]+)\)/,
}

/** Its values of `--compute_type`; others are mapped to these. */
const COMPUTE_TYPES = new Set(['default', 'float16', 'float32', 'int8'])

export function whisperxProgram(setup: WhisperxSetup): CliProgram {
  return {
    name: WHISPERX,
    abilities: whisperAbilities(setup.model, {
      speakers: setup.speakers,
      partSeconds: 30 * 60,
    }),
    plan: (request) => plan(setup, request),
    parse,
    classify,
    progress: (request) => whisperxProgress(stagesOf(setup, request), request.durationSeconds),
    detection: {
      plan: (request, wavPaths) => detectionPlan(setup, request, wavPaths),
      parse: ({ stdout }, wavPaths) => detectedIn(stdout, wavPaths.length, LINES),
    },
  }
}

function plan(setup: WhisperxSetup, request: PlanRequest): Plan {
  const { wavPath, workDir, options } = request
  const args = [wavPath, ...commonOptions(setup, request), ...hotwordOptions(request)]
  const { align, diarize } = stagesOf(setup, request)
  if (!align) args.push('--no_align')
  if (diarize) {
    args.push('--diarize')
    if (options.speakers?.min) args.push('--min_speakers', String(options.speakers.min))
    if (options.speakers?.max) args.push('--max_speakers', String(options.speakers.max))
  }
  // By the environment: command lines are visible to every user of the machine.
  const secret = diarize && setup.token !== null ? { HF_TOKEN: setup.token } : {}
  const output = path.join(workDir, `${path.parse(wavPath).name}.json`)
  return { file: setup.program, args, env: { ...setup.env, ...secret }, output }
}

/**
 * Alignment also cuts the text into sentences, so it is done without a wish for words. It would fail in a language
 * without a model, and makes no sense for a translation.
 */
function stagesOf(
  { aligned }: WhisperxSetup,
  { options, compute }: PlanRequest,
): { align: boolean; diarize: boolean } {
  const language = compute.model.endsWith('.en') ? 'en' : options.language
  return {
    align: options.task === 'transcribe' && language !== null && aligned.has(language),
    diarize: options.speakers !== null,
  }
}

function detectionPlan(
  setup: WhisperxSetup,
  request: PlanRequest,
  wavPaths: readonly string[],
): Plan {
  const args = [...wavPaths, ...commonOptions(setup, request), '--no_align', '--beam_size', '1']
  return { file: setup.program, args, env: setup.env, output: null }
}

function commonOptions(setup: WhisperxSetup, request: PlanRequest): string[] {
  const { compute } = request
  const gpu = setup.gpu && compute.device === 'gpu'
  const args = sharedOptions(request, compute.model)
  args.push('--model', setup.models.get(compute.model) ?? compute.model)
  if (setup.offline) args.push('--model_cache_only', 'True')
  // The slot's GPU is the only visible one. The alignment takes the first one in any case.
  args.push('--device', gpu ? 'cuda' : 'cpu', '--device_index', '0')
  args.push('--compute_type', computeType(compute.computeType, gpu))
  if (compute.batchSize !== null) args.push('--batch_size', String(compute.batchSize))
  // Comes with the package; the other method's model would be fetched.
  args.push('--vad_method', 'pyannote')
  // Prints progress to the standard output, but no text.
  args.push('--verbose', 'False', '--log-level', 'info', '--print_progress', 'True')
  if (setup.threads !== null) args.push('--threads', String(setup.threads))
  return args
}

function computeType(wanted: string | null, gpu: boolean): string {
  if (wanted === null || wanted === 'auto') return gpu ? 'default' : 'int8'
  if (COMPUTE_TYPES.has(wanted)) return wanted
  return wanted.startsWith('int') ? 'int8' : 'float16'
}

function parse(
  output: Buffer,
  { stdout }: Outcome,
  { durationSeconds, options, compute }: PlanRequest,
): Omit<Recognised, 'warnings'> {
  const { segments } = readOutput(output, WHISPERX, durationSeconds)
  if (!options.words) for (const segment of segments) delete segment.words
  if (options.language !== null) return { language: options.language, segments }
  // The file says `en` unless the language was given.
  const [detected] = detectedIn(stdout, 1, LINES)
  return {
    language: detected?.language ?? (compute.model.endsWith('.en') ? 'en' : null),
    ...(detected ? { languageProbability: detected.probability } : {}),
    segments,
  }
}

function classify(outcome: Outcome): AppError | null {
  if (outcome.exitCode === 0) return null
  const failure = failureOf(WHISPERX, outcome)
  if (outcome.stdout.includes('Performing diarization...')) {
    return new LaterStageError('diarization', failure)
  }
  return /whisperx[/\\]alignment\.py|load_align_model/.test(outcome.stderr)
    ? new LaterStageError('alignment', failure)
    : failure
}
