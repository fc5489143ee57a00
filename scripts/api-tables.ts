import { mkdtemp, rm } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import type { z } from 'zod'
import { asrFields, detectFields } from '../coordinator/speech/asr-request.ts'
import { openaiFields } from '../coordinator/speech/openai-request.ts'
import { CODES } from '../shared/errors.ts'
import { rewrite, table, withBlock } from './generated-block.ts'
import { startCoordinator } from './processes.ts'

/** The page that lists all routes and error codes; `npm run docs:api` writes them. */
export const API_PAGE = 'coordinator/docs/api.md'

/** The page that lists the parameters of other programs' APIs. */
export const SPEECH_PAGE = 'coordinator/docs/speech-apis.md'

/** A page with what becomes of each parameter. @throws when it lacks the place of a list. */
export function withParameters(page: string): string {
  const apis = { openai: openaiFields, asr: asrFields, 'detect-language': detectFields }
  return Object.entries<z.ZodObject>(apis).reduce((text, [name, { shape }]) => {
    const fields = Object.entries(shape as Record<string, z.ZodType>)
    const rows = fields.map(([field, schema]) => [`\`${field}\``, schema.meta()?.description ?? ''])
    const list = table(['parameter', 'what becomes of it'], rows)
    return withBlock(text, `parameters of ${name}`, 'parameters', list)
  }, page)
}

/** What the lists use of a coordinator's `/openapi.json`. */
export interface Described {
  paths: Record<string, Record<string, Operation>>
  tags: { name: string }[]
}

interface Operation {
  operationId: string
  tags: string[]
  summary: string
  security?: unknown[]
  'x-roles'?: string[]
}

interface Route extends Operation {
  /** `GET /path`, once for each place that the route is at. */
  names: string[]
}

/** A page with its lists of routes and error codes as they are now. @throws when it lacks the place of one. */
export function withApi(page: string, described: Described): string {
  const routes = routesOf(described)
  const lists = described.tags.map(({ name }) => {
    const rows = routes.filter(({ tags }) => tags.includes(name)).map(row)
    return `**${name}**\n\n${table(['route', 'what it does', 'roles'], rows)}`
  })
  const listed = withBlock(page, 'routes', 'routes', lists.join('\n\n'))
  return withBlock(listed, 'error codes', 'error codes', errorCodes())
}

/** The routes in the order of the description. One that is also at the root is listed once. */
function routesOf({ paths }: Described): Route[] {
  const found = new Map<string, Route>()
  for (const [route, methods] of Object.entries(paths)) {
    for (const [method, operation] of Object.entries(methods)) {
      const id = operation.operationId.replace(/AtRoot$/, '')
      const known = found.get(id) ?? { ...operation, names: [] }
      found.set(id, { ...known, names: [...known.names, `\`${method.toUpperCase()} ${route}\``] })
    }
  }
  return [...found.values()]
}

function row({ names, summary, security, 'x-roles': roles = [] }: Route): string[] {
  const others = roles.filter((role) => role !== 'admin')
  const who = security?.length === 0 ? 'no token' : others.join(', ') || 'admin'
  return [names.join(', '), summary, who]
}

function errorCodes(): string {
  const rows = Object.entries(CODES).map(([code, { status, retryable }]) => [
    `\`${code}\``,
    String(status),
    retryable ? 'yes' : 'no',
  ])
  return table(['code', 'HTTP status', 'a retry can help'], rows)
}

/** A coordinator's own description of its API. */
export async function describedApi(url: string): Promise<Described> {
  const answer = await fetch(`${url}/openapi.json`)
  return (await answer.json()) as Described
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const folder = await mkdtemp(path.join(os.tmpdir(), 'morag-docs-'))
  const coordinator = await startCoordinator(folder, folder)
  try {
    const described = await describedApi(coordinator.url)
    await rewrite(API_PAGE, (page) => withApi(page, described))
    await rewrite(SPEECH_PAGE, withParameters)
  } finally {
    coordinator.signal('SIGTERM')
    await coordinator.ended
    await rm(folder, { recursive: true })
  }
}
