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

/** Its name, as settings and results have it. */
export const WHISPERX = 'whisperx'

/** What a plan is made of beside the request. */
export interface WhisperxSetup extends PythonSetup {
  offline: boolean
  /** Whether it has, or can get, the model that tells speakers apart. */
  speakers: boolean
  /** The languages whose words it can align. */
  aligned: ReadonlySet<string>
  /** Hugging Face's token, for the model that tells speakers apart. */
  token: string | null
}

const LINES: DetectionLines = {
  file: /Performing transcription\.\.\.|^Performing transcription/,
  language: /Detected language: (\w+) \(([\d.]+)\)/,
}

/** What it takes for `--compute_type`; what others call by further names comes down to one of them. */
const COMPUTE_TYPES = new Set(['default', 'float16', 'float32', 'int8'])

/** whisperx, a process per piece: it finds speech, recognises it in batches, aligns words and tells speakers apart. */
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
    progressOf: (request) => whisperxProgress(stagesOf(setup, request), request.durationSeconds),
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
  // By the environment: what stands on a command line can be read by everybody on the machine.
  const secret = diarize && setup.token !== null ? { HF_TOKEN: setup.token } : {}
  const output = path.join(workDir, `${path.parse(wavPath).name}.json`)
  return { file: setup.program, args, env: { ...setup.env, ...secret }, output }
}

/**
 * What it does after the recognition. Words are aligned also when nobody asked for them, as that cuts the text into
 * sentences; not in a language that it has no model for, where it would fail in the end, nor where the text is a
 * translation or the language is not known before.
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
  // The slot's GPU is the only one that it sees; its alignment takes the first one whatever it is told.
  args.push('--device', gpu ? 'cuda' : 'cpu', '--device_index', '0')
  args.push('--compute_type', computeType(compute.computeType, gpu))
  if (compute.batchSize !== null) args.push('--batch_size', String(compute.batchSize))
  // The one that comes with it; the other one is fetched.
  args.push('--vad_method', 'pyannote')
  // What it does goes to the standard output, and none of what is said.
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
  // Its file says `en` whenever nobody told it the language.
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
