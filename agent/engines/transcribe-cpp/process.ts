import { ForkedChild, scriptBeside } from '../../process/forked-child.ts'
import type { Question } from './child.ts'
import type { BackendDevice, SpeakerSegment } from './library.ts'
import type { LoadRequest, RunAnswer, RunRequest } from './recognizer.ts'

interface Wait {
  signal: AbortSignal
  idleMs: number
}

/** One question at a time; a failure ends the process. */
export class TranscribeCppProcess extends ForkedChild {
  /** It was to load its model on a GPU, and found none. */
  missesGpu = false

  /** @param env beside the allow-listed environment. */
  constructor(env: Readonly<Record<string, string>>) {
    super(scriptBeside(import.meta.url, 'child'), 'the engine transcribe-cpp', env)
  }

  /** The devices that the library finds. @throws {AppError} `engine_missing` when it cannot be loaded. */
  async devices(library: string, wait: Wait): Promise<BackendDevice[]> {
    return await this.#put({ type: 'devices', library }, wait)
  }

  /**
   * Loads a model. @returns where it runs.
   * @throws {AppError} as `Recognizer.load`, or a crash; the signal's reason when aborted.
   */
  async load(request: LoadRequest, wait: Wait): Promise<BackendDevice> {
    const device = await this.#put<BackendDevice>({ type: 'load', ...request }, wait)
    this.missesGpu = request.device.kind === 'gpu' && device.deviceType === 'cpu'
    return device
  }

  /** @throws {AppError} as `Recognizer.transcribe`, or a crash; the signal's reason when aborted. */
  async transcribe(
    request: RunRequest,
    wait: Wait & { onProgress: (seconds: number) => void },
  ): Promise<RunAnswer> {
    return await this.#put({ type: 'transcribe', ...request }, wait)
  }

  /** @throws {AppError} as `transcribe`. */
  async detect(wavPaths: readonly string[], wait: Wait): Promise<(string | null)[]> {
    return await this.#put({ type: 'detect', wavPaths }, wait)
  }

  /** @throws {AppError} as `Recognizer.speakers`, or a crash; the signal's reason when aborted. */
  async speakers(wavPath: string, wait: Wait): Promise<SpeakerSegment[]> {
    return await this.#put({ type: 'speakers', wavPath }, wait)
  }

  async #put<Answer>(
    question: Question,
    wait: Wait & { onProgress?: (seconds: number) => void },
  ): Promise<Answer> {
    return await this.ask<Answer>(question, wait)
  }
}
