import { setImmediate as turn } from 'node:timers/promises'
import { AppError } from '../../../shared/errors.ts'
import { slotEnv, type Slot } from '../../gpu/slots.ts'
import { get, postAudio, type Answer } from '../openai-api/audio-post.ts'
import type { EngineSettings } from '../definition.ts'
import type {
  AudioPiece,
  Detected,
  Engine,
  EngineAbilities,
  EngineInfo,
  Recognised,
  TranscribeRequest,
} from '../engine.ts'
import { MemoryFallback, type ComputeConfig } from '../out-of-memory.ts'
import { request as askResident } from './resident-request.ts'
import { Resident, type ResidentPlan } from './resident.ts'
import { Residents } from '../residents.ts'
import { whisperAbilities } from '../whisper/abilities.ts'
import { progress } from './cli-program.ts'
import { whisperCppFailure } from './failure.ts'
import {
  DETECTION_FIELDS,
  inferenceFields,
  parseDetection,
  parseInference,
  serverArgs,
} from './wire.ts'
import { WHISPER_CPP_ENV } from './options.ts'

/** Short pieces, as nothing is loaded for them: less is lost with one, and progress is finer. */
const PART_SECONDS = 300

/** One whisper-server per slot, its model kept loaded. */
export class WhisperServerEngine implements Engine {
  readonly info: EngineInfo
  readonly abilities: EngineAbilities
  readonly #program: string
  readonly #settings: EngineSettings
  readonly #fileOf: (model: string) => string
  readonly #residents = new Residents<Resident>()
  readonly #fallback: MemoryFallback

  /**
   * @param fileOf where the model of that name lies.
   * @param models what the out-of-memory fallback may choose from.
   */
  constructor(
    program: string,
    settings: EngineSettings,
    info: EngineInfo,
    fileOf: (model: string) => string,
    models: readonly string[],
  ) {
    this.#program = program
    this.#settings = settings
    this.info = info
    const device = settings.device.kind === 'cpu' ? 'cpu' : 'gpu'
    this.abilities = {
      ...whisperAbilities(info.model, { partSeconds: PART_SECONDS }),
      // The encoder runs over 30 s in any case.
      ...(device === 'gpu' ? { quickDetection: true } : {}),
    }
    this.#fileOf = fileOf
    this.#fallback = new MemoryFallback(
      { batchSize: null, computeType: null, model: info.model, device },
      { ...settings.onOutOfMemory, models, computeTypes: false },
    )
  }

  async prepare(slot: Slot, signal: AbortSignal, model: string | null = null): Promise<void> {
    await this.#fallback.run({ slot, model }, async (compute) => {
      await this.#server(slot, compute, signal)
    })
  }

  async transcribe(request: TranscribeRequest): Promise<Recognised> {
    const { slot, options, again, durationSeconds } = request
    const { model } = options
    const fields = inferenceFields(options, again)
    const { result, warnings } = await this.#fallback.run({ slot, model }, async (compute) => {
      const { body, stderr, isOnCpu } = await this.#ask(request, compute, fields, (line) => {
        const seconds = progress(line, 'stderr', durationSeconds)
        if (seconds !== null) request.onProgress(seconds)
      })
      return { ...parseInference(body, stderr, durationSeconds), isOnCpu }
    })
    const { isOnCpu, ...recognised } = result
    if (isOnCpu) warnings.push('whisper-server found no GPU that it can use: it ran on the CPU.')
    return { ...recognised, warnings }
  }

  readonly detect = async (
    pieces: readonly AudioPiece[],
    model: string | null = null,
    languages: readonly string[] | null = null,
  ): Promise<(Detected | null)[]> => {
    const detected: (Detected | null)[] = []
    for (const piece of pieces) {
      const { slot } = piece
      const { result } = await this.#fallback.run({ slot, model }, async (compute) => {
        const { body } = await this.#ask(piece, compute, DETECTION_FIELDS, () => undefined)
        return parseDetection(body, languages)
      })
      detected.push(result)
    }
    return detected
  }

  async close(): Promise<void> {
    this.#fallback.forget()
    await this.#residents.close()
  }

  async #server(slot: Slot, compute: ComputeConfig, signal: AbortSignal): Promise<Resident> {
    const { model, device } = compute
    const modelFile = this.#fileOf(model)
    const { threads } = this.#settings
    const plan: ResidentPlan = {
      name: 'whisper-server',
      file: this.#program,
      args: (port) => serverArgs({ modelFile, port, threads, device }),
      env: { ...slotEnv(slot), ...WHISPER_CPP_ENV },
      async isReady(port, ready) {
        return (await get(`http://127.0.0.1:${port}/health`, { signal: ready }))?.status === 200
      },
      classify: whisperCppFailure,
    }
    return await this.#residents.at(
      slot.index,
      JSON.stringify([modelFile, device, slot]),
      (until) => Resident.start(plan, until),
      signal,
    )
  }

  async #ask(
    piece: AudioPiece,
    compute: ComputeConfig,
    fields: readonly (readonly [string, string])[],
    onLine: (line: string) => void,
  ): Promise<{ body: Buffer; stderr: string; isOnCpu: boolean }> {
    const signal = AbortSignal.any([piece.signal, this.#residents.closing])
    const resident = await this.#server(piece.slot, compute, signal)
    const isOnCpu = compute.device === 'gpu' && /no GPU found/.test(resident.startText)
    const lines: string[] = []
    const url = `http://127.0.0.1:${resident.port}/inference`
    const { durationSeconds, wavPath } = piece
    const answer = await askResident(
      resident,
      { signal, durationSeconds },
      (line) => {
        lines.push(line)
        onLine(line)
      },
      async (until) => await postAudio(url, wavPath, fields, { signal: until }),
    )
    // What the server printed before its answer is read in the next turns.
    await turn()
    await turn()
    const stderr = lines.join('\n')
    if (answer.status !== 200) {
      await resident.kill()
      throw refusal(answer, stderr)
    }
    return { body: answer.body, stderr, isOnCpu }
  }
}

function refusal({ status, body }: Answer, stderr: string): AppError {
  const known = whisperCppFailure({ exitCode: 0, signal: null, stdout: '', stderr })
  if (known !== null) return known
  const said = body.toString().trim().slice(0, 200)
  return new AppError(
    'engine_failed',
    `The engine whisper-cpp failed: whisper-server answered ${status} (${said}).`,
  )
}
