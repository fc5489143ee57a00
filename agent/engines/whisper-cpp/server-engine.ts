import { setImmediate as turn } from 'node:timers/promises'
import { AppError } from '../../../shared/errors.ts'
import { slotEnv, type Slot } from '../../gpu/slots.ts'
import { postAudio, statusOfGet, type Answer } from '../openai-api/audio-post.ts'
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
import type { ComputeConfig } from '../out-of-memory.ts'
import { request as askResident } from './resident-request.ts'
import type { Resident, ResidentPlan } from './resident.ts'
import { Residents } from './residents.ts'
import { SettledCompute } from '../settled-compute.ts'
import { whisperCppAbilities } from './abilities.ts'
import { progress } from './cli-engine.ts'
import { whisperCppFailure } from './failure.ts'
import {
  DETECTION_FIELDS,
  inferenceFields,
  parseDetection,
  parseInference,
  serverArgs,
} from './wire.ts'
import { WHISPER_CPP_ENV } from './options.ts'

/** Nothing has to be loaded for a piece, so they are short: less is lost with one, and progress is finer. */
const PART_SECONDS = 300

/** whisper-server, of whisper.cpp: one per slot, its model kept loaded. */
export class WhisperServerEngine implements Engine {
  readonly info: EngineInfo
  readonly abilities: EngineAbilities
  readonly #program: string
  readonly #settings: EngineSettings
  readonly #fileOf: (model: string) => string
  readonly #models: readonly string[]
  readonly #residents = new Residents()
  readonly #settled = new SettledCompute()
  #closing = new AbortController()

  /**
   * @param fileOf where the model of that name lies.
   * @param models what the ladder may fall back to.
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
    this.abilities = whisperCppAbilities(info.model, PART_SECONDS)
    this.#fileOf = fileOf
    this.#models = models
  }

  async prepare(slot: Slot, signal: AbortSignal, model: string | null = null): Promise<void> {
    await this.#withEffort(slot, model, async (compute) => {
      await this.#server(slot, compute, signal)
    })
  }

  async transcribe(request: TranscribeRequest): Promise<Recognised> {
    const { slot, options, again, durationSeconds } = request
    const fields = inferenceFields(options, again)
    const { result, warnings } = await this.#withEffort(slot, options.model, async (compute) => {
      const { body, stderr, blind } = await this.#ask(request, compute, fields, (line) => {
        const seconds = progress(line, 'stderr', durationSeconds)
        if (seconds !== null) request.onProgress(seconds)
      })
      return { ...parseInference(body, stderr, durationSeconds), blind }
    })
    const { blind, ...heard } = result
    if (blind) warnings.push('whisper-server found no GPU that it can use: it ran on the CPU.')
    return { ...heard, warnings }
  }

  readonly detect = async (
    pieces: readonly AudioPiece[],
    model: string | null = null,
  ): Promise<(Detected | null)[]> => {
    const heard: (Detected | null)[] = []
    for (const piece of pieces) {
      const { result } = await this.#withEffort(piece.slot, model, async (compute) => {
        const { body } = await this.#ask(piece, compute, DETECTION_FIELDS, () => undefined)
        return parseDetection(body)
      })
      heard.push(result)
    }
    return heard
  }

  async close(): Promise<void> {
    this.#closing.abort(new AppError('cancelled', 'The engine was closed.'))
    this.#closing = new AbortController()
    this.#settled.forget()
    await this.#residents.close()
  }

  /** Does something with as much as fits into the slot's memory, from where that was found out. */
  async #withEffort<T>(
    slot: Slot,
    model: string | null,
    attempt: (compute: ComputeConfig) => Promise<T>,
  ): Promise<{ result: T; warnings: string[] }> {
    const usual: ComputeConfig = {
      batchSize: null,
      computeType: null,
      model: model ?? this.info.model,
      device: this.#settings.device.kind === 'cpu' ? 'cpu' : 'gpu',
    }
    const allowed = {
      ...this.#settings.onOutOfMemory,
      models: this.#models,
      computeTypes: false,
    }
    return await this.#settled.run(slot, usual, allowed, attempt)
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
        return (await statusOfGet(`http://127.0.0.1:${port}/health`, { signal: ready })) === 200
      },
      classify: whisperCppFailure,
    }
    return await this.#residents.at(
      String(slot.index),
      JSON.stringify([modelFile, device, slot]),
      plan,
      signal,
    )
  }

  /** One request to the slot's server. What goes wrong costs the server, but for a request that it refused. */
  async #ask(
    piece: AudioPiece,
    compute: ComputeConfig,
    fields: readonly (readonly [string, string])[],
    onLine: (line: string) => void,
  ): Promise<{ body: Buffer; stderr: string; blind: boolean }> {
    const signal = AbortSignal.any([piece.signal, this.#closing.signal])
    const resident = await this.#server(piece.slot, compute, signal)
    const blind = compute.device === 'gpu' && /no GPU found/.test(resident.startText)
    const lines: string[] = []
    const url = `http://127.0.0.1:${resident.port}/inference`
    const { durationSeconds, wavPath } = piece
    const onStderr = (line: string): void => {
      lines.push(line)
      onLine(line)
    }
    const answer = await askResident(
      resident,
      { signal, durationSeconds },
      onStderr,
      async (until) => await postAudio(url, wavPath, fields, { signal: until }),
    )
    // What it printed before it answered is in the pipe by now, and is read in the next turns.
    await turn()
    await turn()
    const stderr = lines.join('\n')
    if (answer.status !== 200) {
      await resident.kill()
      throw refusal(answer, stderr)
    }
    return { body: answer.body, stderr, blind }
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
