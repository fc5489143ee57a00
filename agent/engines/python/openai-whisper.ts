import { existsSync } from 'node:fs'
import path from 'node:path'
import type { AppError } from '../../../shared/errors.ts'
import { CliEngine } from '../cli-engine.ts'
import type { CliProgram, Outcome, Plan, PlanRequest } from '../cli-program.ts'
import type { EngineDefinition, EngineSettings } from '../definition.ts'
import { whisperAbilities } from '../whisper/abilities.ts'
import { failureOf } from './failures.ts'
import { chooseModels, WHISPER_ALIASES, type Models } from './models.ts'
import { readOutput } from './output.ts'
import { pythonPlaces } from './places.ts'
import { pythonSetup, sharedOptions, type PythonSetup } from './plan.ts'
import { segmentProgress } from './printed.ts'
import { probePython, type PythonProgram } from './probe.ts'

const NAME = 'openai-whisper'
const PROGRAM: PythonProgram = {
  name: 'whisper',
  package: 'openai-whisper',
  // It has no --version, and other programs of that name have other options.
  shows: { args: ['--help'], text: /--condition_on_previous_text/ },
  seesGpu: 'import torch; print(torch.cuda.is_available())',
  needsFfmpeg: true,
}

const NAMES = (
  'large-v3-turbo large-v3 large-v2 large-v1 medium small base tiny ' +
  'medium.en small.en base.en tiny.en'
).split(' ')

/** OpenAI's own program, the slowest engine with the largest memory: for hosts that have it already. */
export const openaiWhisper: EngineDefinition = {
  name: NAME,
  description: "openai-whisper: OpenAI's own program, Python and PyTorch, slow",
  async probe(settings, signal) {
    const places = pythonPlaces(settings)
    const models = findModels(settings, places.whisper)
    return await probePython(PROGRAM, settings, places, models, signal)
  },
  create(settings, probe) {
    const { setup, info } = pythonSetup(NAME, settings, probe, (model, { whisper }) =>
      modelFile(model, settings, whisper),
    )
    const unbatched = { ...settings, batchSize: null, computeType: null }
    return new CliEngine(openaiWhisperProgram(setup), unbatched, info, probe.models)
  },
}

function findModels(settings: EngineSettings, folder: string): Models {
  const { model } = settings
  const isHere = (name: string): boolean => modelFile(name, settings, folder) !== null
  const name = model?.endsWith('.pt') ? path.parse(model).name : model
  const wish = name === null ? null : (WHISPER_ALIASES[name] ?? name)
  return chooseModels(NAME, settings, { wish, known: NAMES, here: NAMES.filter(isHere), isHere })
}

/** A model's file: the setting's own where it has that name, else in the cache. */
function modelFile(name: string, { model }: EngineSettings, folder: string): string | null {
  if (model?.endsWith('.pt') && path.parse(model).name === name) {
    return existsSync(model) ? path.resolve(model) : null
  }
  const fetched = path.join(folder, `${name}.pt`)
  return existsSync(fetched) ? fetched : null
}

/** It continues with the next file after a failure, and exits with 0. */
const FAILED = /^Skipping .* due to \w+/m

/** One process per piece. It prints the language it detected, but no probability. */
export function openaiWhisperProgram(setup: PythonSetup): CliProgram {
  return {
    name: NAME,
    abilities: whisperAbilities(setup.model, { hotwords: false, partSeconds: 30 * 60 }),
    // float16 on a GPU, float32 elsewhere.
    computeTypes: false,
    plan: (request) => plan(setup, request),
    parse: (output, _outcome, { durationSeconds }) => readOutput(output, NAME, durationSeconds),
    classify,
    progress: () => segmentProgress,
  }
}

function plan(setup: PythonSetup, request: PlanRequest): Plan {
  const { wavPath, workDir, options, compute } = request
  const gpu = setup.gpu && compute.device === 'gpu'
  const args = [wavPath, ...sharedOptions(request, compute.model)]
  args.push('--model', setup.models.get(compute.model) ?? compute.model)
  // Prints a line per segment: the progress.
  args.push('--verbose', 'True')
  args.push('--device', gpu ? 'cuda' : 'cpu', '--fp16', gpu ? 'True' : 'False')
  // A model that continues its own text repeats itself without end once it has begun to.
  args.push('--condition_on_previous_text', 'False')
  if (options.words) {
    args.push('--word_timestamps', 'True', '--hallucination_silence_threshold', '2')
  }
  if (setup.threads !== null) args.push('--threads', String(setup.threads))
  const output = path.join(workDir, `${path.parse(wavPath).name}.json`)
  return { file: setup.program, args, env: setup.env, output }
}

function classify(outcome: Outcome): AppError | null {
  const failed = outcome.exitCode !== 0 || FAILED.test(outcome.stdout)
  return failed ? failureOf(NAME, outcome) : null
}
