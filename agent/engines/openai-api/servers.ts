import { AppError } from '../../../shared/errors.ts'
import { slotEnv, type Slot } from '../../gpu/slots.ts'
import { get } from './audio-post.ts'
import { fillTemplate, hasPlaceholder } from '../../../shared/command-line.ts'
import type { EngineSettings } from '../definition.ts'
import { findProgram } from '../../process/find-program.ts'
import { endpointsOf, type Endpoints } from './fields.ts'
import { kindOf, type ServerKind } from './kind.ts'
import { programFailure } from '../program-failure.ts'
import { Resident, type ResidentPlan } from '../whisper-cpp/resident.ts'
import { Residents } from '../residents.ts'

export interface OpenaiServer {
  endpoints: Endpoints
  /** Null when it was not started here. */
  resident: Resident | null
  kind: ServerKind
}

const MEMORY = [
  {
    pattern: /out of memory|OutOfMemoryError|ALLOC_FAILED/i,
    code: 'gpu_out_of_memory',
    why: 'the memory is too small for its model',
  },
] as const

/** The servers behind the engine openai-api: a running one, or those started here, one per slot or one for all. */
export class OpenaiServers {
  readonly #settings: EngineSettings
  readonly #residents = new Residents<Resident>()
  /** For all slots, when the command has no placeholder for a port. */
  #shared: Resident | null = null
  readonly #kinds = new Map<string, ServerKind>()

  constructor(settings: EngineSettings) {
    this.#settings = settings
  }

  get headers(): Record<string, string> {
    const { apiKey } = this.#settings
    return apiKey ? { authorization: `Bearer ${apiKey}` } : {}
  }

  /**
   * Starts the server of a slot where there is a command for it.
   * @throws {AppError} as `Resident.start`, `engine_missing`.
   */
  async at(slot: Slot, model: string, signal: AbortSignal): Promise<OpenaiServer> {
    const { command } = this.#settings
    if (command === null) return await this.#server(null, null, signal)
    if (hasPlaceholder(command, 'port')) {
      const resident = await this.#started(String(slot.index), command, slot, model, signal)
      return await this.#server(resident, resident.port, signal)
    }
    // A server that answers already was not started here, and has the port.
    if (!this.#shared?.isAlive && (await this.isReady(null, signal))) {
      return await this.#server(null, null, signal)
    }
    this.#shared = await this.#started('shared', command, slot, model, signal)
    return await this.#server(this.#shared, null, signal)
  }

  /** Whether a server answers and has loaded its model. `port` fills the placeholder in the URL. */
  async isReady(port: number | null, signal: AbortSignal): Promise<boolean> {
    const { health, models } = this.endpoints(port)
    const { headers } = this
    const first = await get(health, { signal, headers })
    if (first === null || first.status === 503) return false
    if (first.status === 200 || models === null) return true
    // Without a health endpoint, any answer of the model list counts, even a refused key.
    const second = await get(models, { signal, headers })
    return second !== null && second.status < 500
  }

  /** @throws {AppError} `usage` without a valid address. */
  endpoints(port: number | null): Endpoints {
    const url = this.#settings.url ?? 'http://127.0.0.1:{port}/v1'
    const at = url.replaceAll('{port}', String(port ?? ''))
    if (!URL.canParse(at) || (port === null && at !== url)) {
      throw new AppError('usage', `'${url}' is not the address of a server (--engine-url).`)
    }
    return endpointsOf(at)
  }

  async close(): Promise<void> {
    this.#shared = null
    this.#kinds.clear()
    await this.#residents.close()
  }

  async #server(
    resident: Resident | null,
    port: number | null,
    signal: AbortSignal,
  ): Promise<OpenaiServer> {
    const endpoints = this.endpoints(port)
    const { transcriptions } = endpoints
    const known = this.#kinds.get(transcriptions)
    if (known !== undefined) return { endpoints, resident, kind: known }
    const kind = await kindOf(endpoints, { signal, headers: this.headers })
    if (kind !== null) this.#kinds.set(transcriptions, kind)
    return { endpoints, resident, kind: kind ?? 'other' }
  }

  async #started(
    place: string,
    command: readonly string[],
    slot: Slot,
    model: string,
    signal: AbortSignal,
  ): Promise<Resident> {
    const [name = ''] = command
    const file = findProgram(name)
    if (file === null) {
      throw new AppError('engine_missing', `There is no program '${name}' (--engine-command).`)
    }
    const values = { model, gpu: slot.gpu ?? '' }
    const hasPort = hasPlaceholder(command, 'port')
    const plan: ResidentPlan = {
      name: `'${name}'`,
      file,
      args: (port) => fillTemplate(command.slice(1), { ...values, port: String(port) }),
      // OpenMP's threads spin while they wait, and take cores from each other.
      env: { ...slotEnv(slot), OMP_WAIT_POLICY: 'PASSIVE' },
      isReady: async (port, ready) => await this.isReady(hasPort ? port : null, ready),
      classify: (outcome) =>
        programFailure('openai-api', outcome, outcome.exitCode === 0 ? [] : MEMORY),
    }
    const key = JSON.stringify([fillTemplate(command, values), place === 'shared' ? null : slot])
    return await this.#residents.at(place, key, (until) => Resident.start(plan, until), signal)
  }
}
