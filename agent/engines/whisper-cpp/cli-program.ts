import path from 'node:path'
import { z } from 'zod'
import { clockSeconds } from '../../../shared/duration.ts'
import { AppError } from '../../../shared/errors.ts'
import { oneLine } from '../../../shared/render.ts'
import type { CliProgram, Outcome, Plan, PlanRequest } from '../cli-program.ts'
import type { Detected, Recognised } from '../engine.ts'
import type { RecognisedSegment } from '../../transcription/recognised-segment.ts'
import { parseLenient } from '../lenient-json.ts'
import { withinPiece } from '../clip-segments.ts'
import { whisperCppFailure } from './failure.ts'
import { decodingOf, promptOf, WHISPER_CPP_ENV } from './options.ts'
import { whisperAbilities } from '../whisper/abilities.ts'
import { languageCode } from '../whisper/languages.ts'
import { wordsFromTokens } from '../whisper/words.ts'

/** Long pieces: each process loads the model anew. */
const PART_SECONDS = 900

export function whisperCli(
  program: string,
  model: string,
  fileOf: (model: string) => string,
  threads: number | null,
): CliProgram {
  const common = ({ compute }: PlanRequest): string[] => [
    '-m',
    fileOf(compute.model),
    ...(threads === null ? [] : ['-t', String(threads)]),
    // The slot's environment shows one GPU, the default.
    ...(compute.device === 'cpu' ? ['-ng'] : []),
  ]
  return {
    name: 'whisper-cpp',
    abilities: whisperAbilities(model, { partSeconds: PART_SECONDS }),
    computeTypes: false,
    plan: (request) => plan(program, request, common(request)),
    parse,
    classify: whisperCppFailure,
    progress:
      ({ durationSeconds }) =>
      (line, stream) =>
        progress(line, stream, durationSeconds),
    detection: {
      plan: (request, wavPaths) => ({
        file: program,
        args: [...common(request), '-dl', ...wavPaths.flatMap((wav) => ['-f', wav])],
        env: WHISPER_CPP_ENV,
        output: null,
      }),
      parse: ({ stderr }, wavPaths) => parseDetection(stderr, wavPaths),
    },
  }
}

function plan(file: string, request: PlanRequest, common: readonly string[]): Plan {
  const { options, wavPath, workDir, again } = request
  const { beams, language, noSpeech, entropy, logprob, temperature } = decodingOf(options, again)
  const prompt = promptOf(options, again)
  const out = path.join(workDir, 'out')
  const args = [
    ...common,
    '-f',
    wavPath,
    ...flags({ '-l': language, '-bs': beams, '-bo': beams, '-tp': temperature }),
    ...flags({ '-nth': noSpeech, '-et': entropy, '-lpt': logprob, '-mc': prompt?.tokens ?? 0 }),
    '-sns',
    ...(prompt === null ? [] : ['--prompt', prompt.text, '--carry-initial-prompt']),
    ...(options.task === 'translate' ? ['-tr'] : []),
    '-ojf',
    '-of',
    out,
    '-pp',
  ]
  return { file, args, env: WHISPER_CPP_ENV, output: `${out}.json` }
}

function flags(values: Record<string, string | number>): string[] {
  return Object.entries(values).flatMap(([flag, value]) => [flag, String(value)])
}

const offsets = z.object({ from: z.number(), to: z.number() })
const written = z.object({
  result: z.object({ language: z.string() }).optional(),
  transcription: z.array(
    z.object({
      offsets,
      text: z.string(),
      tokens: z
        .array(
          z.object({ text: z.string(), offsets: offsets.optional(), p: z.number().optional() }),
        )
        .optional(),
    }),
  ),
})
type Written = z.output<typeof written>['transcription'][number]

function parse(
  output: Buffer,
  { stderr }: Outcome,
  { durationSeconds }: PlanRequest,
): Omit<Recognised, 'warnings'> {
  const probability = DETECTED.exec(stderr)?.[2]
  return {
    ...readTranscription(output, durationSeconds),
    ...(probability === undefined ? {} : { languageProbability: Number(probability) }),
  }
}

/**
 * Reads the output of `-oj` and `-ojf`.
 * @throws {AppError} `engine_failed` when it is cut off or something else.
 */
export function readTranscription(
  output: Buffer,
  durationSeconds: number,
): Omit<Recognised, 'warnings'> {
  const parsed = written.safeParse(parseLenient(output, 'whisper-cpp'))
  if (!parsed.success) {
    throw new AppError(
      'engine_failed',
      'The engine whisper-cpp failed: its output is not what whisper-cli writes (-ojf).',
      { cause: parsed.error },
    )
  }
  return {
    language: languageCode(parsed.data.result?.language ?? ''),
    segments: withinPiece(parsed.data.transcription.map(segmentOf), durationSeconds),
  }
}

function segmentOf({ offsets: { from, to }, text, tokens = [] }: Written): RecognisedSegment {
  const segment = { start: from / 1000, end: Math.max(from, to) / 1000, text: oneLine(text) }
  const timed = tokens.map((token) => ({
    start: (token.offsets?.from ?? from) / 1000,
    end: (token.offsets?.to ?? to) / 1000,
    text: token.text,
    probability: token.p,
  }))
  const words = tokens.length === 0 ? undefined : wordsFromTokens(timed, segment)
  const logprob = averageLogprob(tokens)
  return {
    ...segment,
    ...(words === undefined ? {} : { words }),
    ...(logprob === null ? {} : { avgLogprob: logprob }),
  }
}

/** As Whisper computes it, without special tokens. */
function averageLogprob(tokens: NonNullable<Written['tokens']>): number | null {
  const logs = tokens.flatMap(({ p, text }) =>
    p === undefined || p <= 0 || text.startsWith('[_') ? [] : [Math.log(p)],
  )
  return logs.length === 0 ? null : logs.reduce((sum, one) => sum + one, 0) / logs.length
}

export const DETECTED = /auto-detected language: (\w+) \(p = ([\d.]+)\)/

function parseDetection(stderr: string, wavPaths: readonly string[]): (Detected | null)[] {
  // Each file's lines follow the line that names it.
  const parts = stderr.split(/^main: processing /m).slice(1)
  return wavPaths.map((wavPath) => {
    const part = parts.find((one) => one.startsWith(`'${wavPath}'`))
    const [, name, probability] = DETECTED.exec(part ?? '') ?? []
    const language = languageCode(name ?? '')
    return language === null ? null : { language, probability: Number(probability) }
  })
}

const PERCENT = /progress =\s*(\d+)%/
const SEGMENT = /^\[[\d:.]+ --> ([\d:.]+)\]/

/** Seconds that are done, by a line of `-pp` (which exceeds 100 %) or by a segment. */
export function progress(
  line: string,
  stream: 'stdout' | 'stderr',
  durationSeconds: number,
): number | null {
  if (stream === 'stderr') {
    const percent = PERCENT.exec(line)?.[1]
    return percent === undefined ? null : (Math.min(100, Number(percent)) / 100) * durationSeconds
  }
  const end = SEGMENT.exec(line)?.[1]
  return end === undefined ? null : Math.min(clockSeconds(end), durationSeconds)
}
