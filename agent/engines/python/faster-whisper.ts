import path from 'node:path'
import { AppError } from '../../../shared/errors.ts'
import { CliEngine } from '../cli-engine.ts'
import type { CliProgram, Outcome, Plan, PlanRequest } from '../cli-program.ts'
import type { EngineDefinition, EngineSettings, Probe } from '../definition.ts'
import type { Engine, Recognised } from '../engine.ts'
import { whisperAbilities } from '../whisper/abilities.ts'
import { failureOf } from './failures.ts'
import { FasterWhisperEngine } from './faster-whisper-engine.ts'
import { findModels, modelFolder } from './models.ts'
import { readOutput } from './output.ts'
import { interpreterOf } from './program.ts'
import { pythonPlaces } from './places.ts'
import { hotwordOptions, pythonSetup, sharedOptions, type PythonSetup } from './plan.ts'
import { detectedIn, segmentProgress, type DetectionLines } from './printed.ts'
import { probePython, type PythonProgram } from './probe.ts'

const NAME = 'faster-whisper'
const PROGRAM: PythonProgram = {
  name: 'whisper-ctranslate2',
  package: 'whisper-ctranslate2',
  shows: { args: ['--version'], text: /^whisper-ctranslate2 (\S+)/ },
  seesGpu: 'import ctranslate2; print(ctranslate2.get_cuda_device_count() > 0)',
}

export const fasterWhisper: EngineDefinition = {
  name: NAME,
  description:
    'faster-whisper (pip install whisper-ctranslate2): Python, CTranslate2, fast on GPU and CPU',
  async probe(settings, signal) {
    const places = pythonPlaces(settings)
    const models = await findModels(NAME, settings, places.hub)
    return await probePython(PROGRAM, settings, places, models, signal)
  },
  create(settings, probe) {
    const { setup } = setupOf(settings, probe)
    const cli = fasterWhisperCli(settings, probe)
    const interpreter = interpreterOf(setup.program)
    if (interpreter === null) return cli
    return new FasterWhisperEngine(interpreter, setup, settings, { models: probe.models, cli })
  },
}

/** By the program alone: a process per piece. @throws {AppError} as {@link EngineDefinition.create}. */
export function fasterWhisperCli(settings: EngineSettings, probe: Probe): Engine {
  const { setup, info } = setupOf(settings, probe)
  return new CliEngine(fasterWhisperProgram(setup), settings, info, probe.models)
}

function setupOf(settings: EngineSettings, probe: Probe) {
  return pythonSetup(NAME, settings, probe, (model, { hub }) => modelFolder(model, settings, hub))
}

const LINES: DetectionLines = {
  file: /^File: '/,
  language: /^Detected language '([^']+)' with probability ([\d.]+)/,
}

/** Each of these means that a file failed, and comes with exit code 0. */
const FAILED =
  /^(?:Error: Unable to process file: |Model file '.*' does not exist|You need to specify one or more audio files|--\w+ requires |--\w+ can only be used )/m

export function fasterWhisperProgram(setup: PythonSetup): CliProgram {
  return {
    name: NAME,
    // Not its diarization: it takes the number of speakers for a fact (2 by default), and the token for the model on its
    // command line, where every user of the machine can read it.
    abilities: whisperAbilities(setup.model, { partSeconds: 30 * 60 }),
    plan: (request) => plan(setup, request),
    parse,
    classify,
    progress: () => segmentProgress,
    detection: {
      plan: (request, wavPaths) => detectionPlan(setup, request, wavPaths),
      parse: ({ stdout }, wavPaths) => detectedIn(stdout, wavPaths.length, LINES),
    },
  }
}

function plan(setup: PythonSetup, request: PlanRequest): Plan {
  const { wavPath, workDir, options, compute, again } = request
  // Batches skip every check of the text, so a second try goes without.
  const batch =
    !again && compute.batchSize !== null && compute.batchSize > 1 ? compute.batchSize : null
  const args = [wavPath, ...commonOptions(setup, request), ...hotwordOptions(request)]
  // A model that continues its own text repeats itself without end once it has begun to.
  args.push('--condition_on_previous_text', 'False')
  // Long silence is cut out already, and the rest has to keep its times.
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

/** The program cannot stop after the language, so it transcribes as cheaply as it can. */
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
  // Prints a line per segment: the progress.
  args.push('--verbose', 'True')
  // The slot's GPU is the only visible one.
  args.push('--device', gpu ? 'cuda' : 'cpu', '--device_index', '0')
  // On a GPU as the model was made: the program's own choice may be less exact. A CPU is several times as fast with int8.
  args.push('--compute_type', compute.computeType ?? (gpu ? 'default' : 'int8'))
  if (setup.threads !== null) args.push('--threads', String(setup.threads))
  return args
}

function environment(setup: PythonSetup, model: string): Record<string, string> {
  const isLocal = (setup.models.get(model) ?? null) !== null
  return { ...setup.env, ...(isLocal ? { HF_HUB_OFFLINE: '1' } : {}) }
}

function parse(
  output: Buffer,
  { stdout }: Outcome,
  { durationSeconds, options }: PlanRequest,
): Omit<Recognised, 'warnings'> {
  const { language, segments } = readOutput(output, NAME, durationSeconds)
  const [detected] = options.language === null ? detectedIn(stdout, 1, LINES) : []
  // The file does not hold the probability.
  const known = detected?.language === language ? detected : undefined
  return {
    language,
    ...(known === undefined ? {} : { languageProbability: known.probability }),
    segments,
  }
}

function classify(outcome: Outcome): AppError | null {
  const failed = outcome.exitCode !== 0 || FAILED.test(outcome.stderr)
  return failed ? failureOf(NAME, outcome) : null
}
