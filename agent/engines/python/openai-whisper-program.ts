import path from 'node:path'
import type { AppError } from '../../../shared/errors.ts'
import type { CliProgram, Outcome, Plan, PlanRequest } from '../cli-program.ts'
import { abilitiesWith } from '../whisper/abilities.ts'
import type { EngineAbilities } from '../engine.ts'
import { failureOf } from './failures.ts'
import { sharedOptions } from './options.ts'
import { readOutput } from './output.ts'
import type { PythonSetup } from './setup.ts'
import { segmentLine } from './segment-line.ts'

/** Its name, as settings and results have it. */
export const OPENAI_WHISPER = 'openai-whisper'

const ABILITIES: EngineAbilities = {
  languages: null,
  translate: true,
  words: true,
  speakers: false,
  prompt: true,
  hotwords: false,
  partSeconds: 30 * 60,
}

/** It goes on to the next file after one that failed, and ends with code 0. */
const FAILED = /^Skipping .* due to \w+/m

/** OpenAI's own program `whisper`, a process per piece. It names the language it heard, but not how sure it is. */
export function openaiWhisperProgram(setup: PythonSetup): CliProgram {
  return {
    name: OPENAI_WHISPER,
    abilities: abilitiesWith(setup.model, ABILITIES),
    // It computes with float16 on a GPU and float32 elsewhere.
    computeTypes: false,
    plan: (request) => plan(setup, request),
    parse: (output, _outcome, { durationSeconds }) =>
      readOutput(output, OPENAI_WHISPER, durationSeconds),
    classify,
    progress: (line, stream) => (stream === 'stdout' ? (segmentLine(line)?.end ?? null) : null),
  }
}

function plan(setup: PythonSetup, request: PlanRequest): Plan {
  const { wavPath, workDir, options, compute } = request
  const gpu = setup.gpu && compute.device === 'gpu'
  const args = [wavPath, ...sharedOptions(request, compute.model)]
  args.push('--model', setup.models.get(compute.model) ?? compute.model)
  // A line per segment, which is the progress.
  args.push('--verbose', 'True')
  args.push('--device', gpu ? 'cuda' : 'cpu', '--fp16', gpu ? 'True' : 'False')
  // A model that goes on from its own text keeps repeating itself once it has begun to.
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
  return failed ? failureOf(OPENAI_WHISPER, outcome) : null
}
