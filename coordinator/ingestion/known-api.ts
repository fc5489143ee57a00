import { createHash } from 'node:crypto'
import { z } from 'zod'
import { MINUTE } from '../../shared/duration.ts'
import { INGEST_API } from './ingest-api.ts'
import type { ApiName, MoragApi } from './morag-api.ts'
import { Refusal, type MoragHttp } from './morag-http.ts'
import { PROCESS_API } from './process-api.ts'
import { STAGES_API } from './stages-api.ts'

/** The newest first: a server keeps old routes, some of which only answer that they are gone. */
const APIS: readonly MoragApi[] = [STAGES_API, PROCESS_API, INGEST_API]
/** How long a description is taken for the server's present one. */
const FRESH_MS = 5 * MINUTE

const description = z.looseObject({ paths: z.record(z.string(), z.unknown()) })

/** Which API the MoRAG server has: the configured one, or what its `/openapi.json` or trying tells. */
export class KnownApi {
  readonly #http: MoragHttp
  readonly #isFixed: boolean
  readonly #freshMs: number
  #known: MoragApi | null
  /** Of `/openapi.json`; `paths` is null where the server does not show it. */
  #description: { digest: string; paths: object | null } | null = null
  #staleAt = 0

  /** @param configured null: find it out. */
  constructor(http: MoragHttp, configured: ApiName | null, freshMs = FRESH_MS) {
    this.#http = http
    this.#isFixed = configured !== null
    this.#freshMs = freshMs
    this.#known = APIS.find(({ name }) => name === configured) ?? null
  }

  /** Changes with an upgrade of the server; null: to be read (again) with {@link describe}. */
  get digest(): string | null {
    return performance.now() < this.#staleAt ? this.#description!.digest : null
  }

  /** Reads `/openapi.json`. @throws {AppError} `unavailable` when the server does not answer. */
  async describe(signal: AbortSignal): Promise<void> {
    const shown = await this.#read(signal)
    const digest = createHash('sha256')
      .update(JSON.stringify(shown) ?? '')
      .digest('hex')
    const isNew = this.#description !== null && this.#description.digest !== digest
    if (isNew && !this.#isFixed) this.#known = null
    this.#description = { digest, paths: description.safeParse(shown).data?.paths ?? null }
    this.#staleAt = performance.now() + this.#freshMs
  }

  /** The APIs to try, the likeliest first. @throws {AppError} as {@link describe}. */
  async candidates(signal: AbortSignal): Promise<readonly MoragApi[]> {
    if (this.#known !== null) return [this.#known]
    if (this.digest === null) await this.describe(signal)
    const paths = this.#description?.paths ?? null
    const found = paths && APIS.find(({ ingestion }) => ingestion.path in paths)
    return found ? [found] : APIS
  }

  /** The API has worked. */
  confirm(api: MoragApi): void {
    this.#known ??= api
  }

  /** The server lacks a route of the API: it is described anew. @returns whether another API may do. */
  reject(api: MoragApi): boolean {
    this.#staleAt = 0
    if (this.#isFixed) return false
    if (this.#known === api) this.#known = null
    return true
  }

  /** Undefined where the server does not show it. */
  async #read(signal: AbortSignal): Promise<unknown> {
    try {
      return await this.#http.getJson('/openapi.json', signal)
    } catch (error) {
      const isHidden =
        error instanceof Refusal && [401, 403, 404, 405, 410, 500].includes(error.status)
      if (isHidden) return undefined
      throw error
    }
  }
}

/** Whether a server says with this refusal that it does not have a route. */
export function isNoRoute(error: unknown): error is Refusal {
  return error instanceof Refusal && [404, 405, 410].includes(error.status)
}
