import type { AppError } from '../../../shared/errors.ts'
import type { Outcome } from '../cli-program.ts'
import { programFailure, type FailureText } from '../program-failure.ts'

/** Memory comes first: without it a model cannot be loaded either. */
const KNOWN: readonly FailureText[] = [
  {
    pattern:
      /cudaMalloc failed|hipMalloc failed|out of memory|OutOfDeviceMemory|failed to allocate|ALLOC_FAILED/i,
    code: 'gpu_out_of_memory',
    why: 'the memory is too small for this model',
  },
  {
    pattern:
      /failed to open '.*'(?! for writing)|invalid model|bad magic|not all tensors loaded|failed to load model|failed to initialize whisper context/i,
    code: 'model_missing',
    why: 'its model is not there or is broken. Pull it again',
  },
  {
    pattern: /error: unknown language/i,
    code: 'unsupported_language',
    why: 'it does not know that language',
  },
  {
    pattern: /error: unknown argument/i,
    code: 'engine_failed',
    why: 'it is too old for this agent (whisper.cpp 1.8 or newer is needed)',
  },
  {
    pattern: /failed to read audio|input file not found|no input files specified/i,
    code: 'engine_failed',
    why: 'it could not read the audio that was decoded for it',
  },
  {
    pattern: /for writing|No space left on device/i,
    code: 'engine_failed',
    why: 'it could not write its transcript',
  },
  {
    pattern: /failed to process audio|failed to auto-detect language|failed to (encode|decode)/i,
    code: 'engine_failed',
    why: 'it gave up half-way',
  },
]

/** whisper-cli exits with 0 after most of its failures. */
export function whisperCppFailure(outcome: Outcome): AppError | null {
  return programFailure('whisper-cpp', outcome, KNOWN)
}
