import type { AppError } from '../../shared/errors.ts'
import type { Slot } from '../gpu/slots.ts'
import type {
  CommandLine,
  Detected,
  EngineAbilities,
  Recognised,
  SpeechOptions,
  TranscribeRequest,
} from './engine.ts'
import type { ComputeConfig } from './out-of-memory.ts'

/** What is run for one recognition. Nothing of it is interpreted by a shell. */
export interface Plan extends CommandLine {
  /** The file that must be written, absolute; null: the transcript is the standard output. */
  output: string | null
}

/** What a plan is made for: a piece of audio, and how much it may take. */
export interface PlanRequest {
  wavPath: string
  durationSeconds: number
  workDir: string
  slot: Slot
  options: SpeechOptions
  /** As in the request; absent when it is about the language alone. */
  speech?: TranscribeRequest['speech']
  compute: ComputeConfig
  again: boolean
}

/** How a program ended, and the last 64 KiB of each stream. */
export interface Outcome {
  exitCode: number | null
  signal: string | null
  stdout: string
  stderr: string
}

/** What is particular to one program: pure functions, all but the running. */
export interface CliProgram {
  name: string
  abilities: EngineAbilities
  /** Whether it can be told how to compute; default: yes. */
  computeTypes?: boolean
  plan(request: PlanRequest): Plan
  /**
   * @throws {AppError} `engine_failed` when the output is not what the program writes: half of it, another form.
   */
  parse(output: Buffer, outcome: Outcome, request: PlanRequest): Omit<Recognised, 'warnings'>
  /** What the way it ended means, or null when nothing speaks against success: most exit 0 after failing. */
  classify(outcome: Outcome): AppError | null
  /** How many seconds of the piece are done by that line, where the line says so. */
  progress?(line: string, stream: 'stdout' | 'stderr', durationSeconds: number): number | null
  /** The same, made anew for each run: for lines that mean something else at each stage. */
  progressOf?(request: PlanRequest): (line: string, stream: 'stdout' | 'stderr') => number | null
  /** Runs the same program to learn the language of pieces. */
  detection?: {
    plan(request: PlanRequest, wavPaths: readonly string[]): Plan
    parse(outcome: Outcome, wavPaths: readonly string[]): (Detected | null)[]
  }
}
