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
import type { OutputFolder } from './written-file.ts'

export interface Plan extends CommandLine {
  /** The file that must be written, absolute, or its folder; null: the transcript is on the standard output. */
  output: string | OutputFolder | null
}

export interface PlanRequest {
  wavPath: string
  durationSeconds: number
  workDir: string
  slot: Slot
  options: SpeechOptions
  /** Absent for a detection. */
  speech?: TranscribeRequest['speech']
  compute: ComputeConfig
  again: boolean
}

/** How a program ended; the streams are their last 64 KiB. */
export interface Outcome {
  exitCode: number | null
  signal: string | null
  stdout: string
  stderr: string
}

export interface CliProgram {
  name: string
  abilities: EngineAbilities
  /** Whether it takes a compute type; default: yes. */
  computeTypes?: boolean
  plan(request: PlanRequest): Plan
  /** @throws {AppError} `engine_failed` when the output is cut off or in another form. */
  parse(output: Buffer, outcome: Outcome, request: PlanRequest): Omit<Recognised, 'warnings'>
  /** The error that the end of the program means; null for a success. Most programs exit with 0 after failing. */
  classify(outcome: Outcome): AppError | null
  /** Reads the lines of one run: seconds of the piece that are done, where a line says so. */
  progress?(request: PlanRequest): (line: string, stream: 'stdout' | 'stderr') => number | null
  /** The same program, run for the language of pieces alone. */
  detection?: {
    plan(request: PlanRequest, wavPaths: readonly string[]): Plan
    parse(outcome: Outcome, wavPaths: readonly string[]): (Detected | null)[]
  }
}
