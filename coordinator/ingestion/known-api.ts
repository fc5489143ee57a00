import { z } from 'zod'
import { API } from '../../shared/wire.ts'
import { INGEST_API } from './ingest-api.ts'
import type { ApiName, MoragApi } from './morag-api.ts'
import { Refusal, type MoragHttp } from './morag-http.ts'
import { PROCESS_API } from './process-api.ts'
import { STAGES_API } from './stages-api.ts'

/** The newest first: a server keeps old routes beside its new ones, some of which only say that they are gone. */
const APIS: readonly MoragApi[] = [STAGES_API, PROCESS_API, INGEST_API]

const described = z.looseObject({ paths: z.record(z.string(), z.unknown()) })

/** Which API the MoRAG server has: as it is set, or as the server describes itself. What was found out is remembered. */
export class KnownApi {
  readonly #http: MoragHttp
  readonly #isFixed: boolean
  #known: MoragApi | null

  constructor(http: MoragHttp, set: ApiName | null) {
    this.#http = http
    this.#isFixed = set !== null
    this.#known = APIS.find(({ name }) => name === set) ?? null
  }

  /** Those to be tried, the likeliest first. @throws {AppError} `unavailable` when the server does not answer. */
  async candidates(signal: AbortSignal): Promise<readonly MoragApi[]> {
    if (this.#known !== null) return [this.#known]
    const paths = await this.#paths(signal)
    const found = paths === null ? undefined : APIS.find(({ route }) => API + route in paths)
    return found === undefined ? APIS : [found]
  }

  /** The API has worked. */
  is(api: MoragApi): void {
    this.#known ??= api
  }

  /** The server does not have it (any more): asked anew the next time. @returns whether another may do. */
  isNot(api: MoragApi): boolean {
    if (this.#isFixed) return false
    if (this.#known === api) this.#known = null
    return true
  }

  /** The routes that `/openapi.json` lists; null: it is not shown, or says nothing. */
  async #paths(signal: AbortSignal): Promise<Record<string, unknown> | null> {
    try {
      const answer = described.safeParse(await this.#http.getJson('/openapi.json', signal))
      return answer.data?.paths ?? null
    } catch (error) {
      if (error instanceof Refusal && [401, 403, 404, 405, 410].includes(error.status)) return null
      throw error
    }
  }
}

/** Whether a server says with this refusal that it does not have a route. */
export function isNoRoute(error: unknown): error is Refusal {
  return error instanceof Refusal && [404, 405, 410].includes(error.status)
}
