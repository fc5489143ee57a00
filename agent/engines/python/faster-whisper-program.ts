import path from 'node:path'
import { AppError } from '../../../shared/errors.ts'
import type { CliProgram, Outcome, Plan, PlanRequest } from '../cli-program.ts'
import { abilitiesWith } from '../whisper/abilities.ts'
import type { EngineAbilities, Recognised } from '../engine.ts'
import { detectedIn, type DetectionLines } from './detection.ts'
import { failureOf } from './failures.ts'
import { hotwordOptions, sharedOptions } from './options.ts'
import { readOutput } from './output.ts'
import type { PythonSetup } from './setup.ts'
import { segmentLine } from './segment-line.ts'

/** Its name, as settings and results have it. */
export const FASTER_WHISPER = 'faster-whisper'

const ABILITIES: EngineAbilities = {
  languages: null,
  translate: true,
  words: true,
  // It can, but takes the number of speakers for a fact (2 when told nothing) and the token for the model on its command
  // line, where everybody on the machine can read it.
  speakers: false,
  prompt: true,
  hotwords: true,
  partSeconds: 30 * 60,
}

const LINES: DetectionLines = {
  file: /^File: '/,
  language: /^Detected language '([^']+)' with probability ([\d.]+)/,
}

/** Each of these means that a file was not done, and comes with exit code 0. */
const FAILED =
  /^(?:Error: Unable to process file: |Model file '.*' does not exist|You need to specify one or more audio files|--\w+ requires |--\w+ can only be used )/m

/** faster-whisper by the program whisper-ctranslate2, a process per piece. */
export function fasterWhisperProgram(setup: PythonSetup): CliProgram {
  return {
    name: FASTER_WHISPER,
    abilities: abilitiesWith(setup.model, ABILITIES),
    plan: (request) => plan(setup, request),
    parse,
    classify,
    progress: (line, stream) => (stream === 'stdout' ? (segmentLine(line)?.end ?? null) : null),
    detection: {
      plan: (request, wavPaths) => detectionPlan(setup, request, wavPaths),
      parse: ({ stdout }, wavPaths) => detectedIn(stdout, wavPaths.length, LINES),
    },
  }
}

function plan(setup: PythonSetup, request: PlanRequest): Plan {
  const { wavPath, workDir, options, compute, again } = request
  // Batches skip every check of what was heard, so a second try goes without.
  const batch =
    !again && compute.batchSize !== null && compute.batchSize > 1 ? compute.batchSize : null
  const args = [wavPath, ...commonOptions(setup, request), ...hotwordOptions(request)]
  // A model that goes on from its own text keeps repeating itself once it has begun to.
  args.push('--condition_on_previous_text', 'False')
  // Long silence is cut out already where it is long, and what is left has to keep its times.
  args.push('--vad_filter', 'False')
  if (batch !== null) args.push('--batched', 'True', '--batch_size', String(batch))
  if (options.words) {
    args.push('--word_timestamps', 'True')
    if (batch === null) args.push('--hallucination_silence_threshold', '2')
  }
  return {
    file: setup.program,
    args,
    env: environment(setup, compute.model),
    output: path.join(workDir, `${path.parse(wavPath).name}.json`),
  }
}

/** It cannot be told to stop at the language, so it transcribes as cheaply as it can. */
function detectionPlan(
  setup: PythonSetup,
  request: PlanRequest,
  wavPaths: readonly string[],
): Plan {
  const args = [...wavPaths, ...commonOptions(setup, request)]
  args.push('--beam_size', '1', '--best_of', '1', '--condition_on_previous_text', 'False')
  args.push('--temperature_increment_on_fallback', 'None')
  const env = environment(setup, request.compute.model)
  return { file: setup.program, args, env, output: null }
}

function commonOptions(setup: PythonSetup, request: PlanRequest): string[] {
  const { compute } = request
  const folder = setup.models.get(compute.model) ?? null
  const gpu = setup.gpu && compute.device === 'gpu'
  const args = sharedOptions(request, compute.model)
  args.push(...(folder === null ? ['--model', compute.model] : ['--model_directory', folder]))
  // A line per segment, which is the progress.
  args.push('--verbose', 'True')
  // The slot's GPU is the only one that it sees.
  args.push('--device', gpu ? 'cuda' : 'cpu', '--device_index', '0')
  // As the model was made, on a GPU: its own choice may be less exact. A processor is several times as fast with int8.
  args.push('--compute_type', compute.computeType ?? (gpu ? 'default' : 'int8'))
  if (setup.threads !== null) args.push('--threads', String(setup.threads))
  return args
}

function environment(setup: PythonSetup, model: string): Record<string, string> {
  const here = (setup.models.get(model) ?? null) !== null
  return { ...setup.env, ...(here ? { HF_HUB_OFFLINE: '1' } : {}) }
}

function parse(
  output: Buffer,
  { stdout }: Outcome,
  { durationSeconds, options }: PlanRequest,
): Omit<Recognised, 'warnings'> {
  const { language, segments } = readOutput(output, FASTER_WHISPER, durationSeconds)
  const [detected] = options.language === null ? detectedIn(stdout, 1, LINES) : []
  // The file does not tell how sure it was of the language.
  const known = detected?.language === language ? detected : undefined
  return {
    language,
    ...(known === undefined ? {} : { languageProbability: known.probability }),
    segments,
  }
}

function classify(outcome: Outcome): AppError | null {
  const failed = outcome.exitCode !== 0 || FAILED.test(outcome.stderr)
  return failed ? failureOf(FASTER_WHISPER, outcome) : null
}
