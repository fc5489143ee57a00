import type { RouterRoute } from 'hono/types'
import { z } from 'zod'
import { statusOf, type ErrorCode } from '../../shared/errors.ts'
import { VERSION } from '../../shared/version.ts'
import { refusalAnswer } from '../../shared/wire-answers.ts'
import { API } from '../../shared/wire.ts'
import { ADMIN_ALONE } from '../access/roles.ts'
import {
  describedRoutes,
  TAGS,
  type DescribedRoute,
  type Operation,
  type Parameter,
} from './describe-route.ts'
import { Components, type Schema } from './schemas.ts'

export interface OpenApi {
  openapi: string
  info: Schema & { title: string; version: string; description: string }
  servers: { url: string }[]
  paths: Record<string, Record<string, Schema>>
  components: { schemas: Record<string, Schema>; securitySchemes: Schema }
  security: Schema[]
  tags: { name: string; description: string }[]
}

const ABOUT = `Keys are snake_case, instants ISO 8601 in UTC, durations seconds. Keys that are not described here may come with later versions. Retry on 429, 5xx and network errors, after \`Retry-After\` where there is one, and on nothing else.`

/** The routes of an app as an OpenAPI 3.1 document. */
export function openApiDocument(routes: readonly RouterRoute[]): OpenApi {
  const components = new Components()
  const described = describedRoutes(routes)
  const isBelowApi = ({ path }: DescribedRoute): boolean => path.startsWith(`${API}/`)
  const belowApi = new Set(described.filter(isBelowApi).map(({ operation }) => operation))
  const paths: OpenApi['paths'] = {}
  for (const route of described) {
    const { method, template, operation } = route
    const isCopy = !isBelowApi(route) && belowApi.has(operation)
    const operationId = isCopy ? `${operation.id}AtRoot` : operation.id
    const item = { operationId, ...itemOf(route, components) }
    paths[template] = { ...paths[template], [method.toLowerCase()]: item }
  }
  return {
    openapi: '3.1.1',
    info: {
      title: 'MoRAG remote conversion',
      version: VERSION,
      description: ABOUT,
      license: { name: 'MIT', identifier: 'MIT' },
    },
    servers: [{ url: '/' }],
    paths,
    components: {
      schemas: components.schemas,
      securitySchemes: {
        bearer: { type: 'http', scheme: 'bearer' },
        apiKey: { type: 'apiKey', in: 'header', name: 'X-API-Key' },
      },
    },
    security: [{ bearer: [] }, { apiKey: [] }],
    tags: Object.entries(TAGS).map(([name, description]) => ({ name, description })),
  }
}

function itemOf(route: DescribedRoute, components: Components): Schema {
  const { operation } = route
  const { tag, summary, description, access = ADMIN_ALONE, body, events } = operation
  const parameters = parametersOf(route, components)
  return {
    tags: [tag],
    summary,
    ...(description !== undefined && { description }),
    ...(access === 'open' ? { security: [] } : { 'x-roles': [...access, 'admin'] }),
    ...(parameters.length > 0 && { parameters }),
    ...(body !== undefined && { requestBody: bodyOf(body, components) }),
    responses: responsesOf(route, components),
    ...(events !== undefined && {
      'x-events': Object.fromEntries(
        Object.entries(events).map(([name, schema]) => [name, components.of(schema, 'output')]),
      ),
    }),
  }
}

function parametersOf(
  { path: route, operation }: DescribedRoute,
  components: Components,
): Schema[] {
  const { path = {}, query, headers = {} } = operation
  const inPath = [...route.matchAll(/:(\w+)/g)].map(([, name]) =>
    parameter('path', name!, { ...path[name!], isRequired: true }),
  )
  const inHeader = Object.entries(headers).map(([name, about]) => parameter('header', name, about))
  return [...inPath, ...(query === undefined ? [] : components.ofQuery(query)), ...inHeader]
}

function parameter(
  place: 'path' | 'header',
  name: string,
  { description, isRequired = false, schema = { type: 'string' } }: Partial<Parameter>,
): Schema {
  const about = description === undefined ? {} : { description }
  return { name, in: place, ...about, required: isRequired, schema }
}

function bodyOf(
  { json, form, isBytes, isOptional }: NonNullable<Operation['body']>,
  components: Components,
): Schema {
  const content = {
    ...(form !== undefined && { 'multipart/form-data': { schema: components.within(form) } }),
    ...(json !== undefined && { 'application/json': { schema: components.of(json, 'input') } }),
    ...(isBytes === true && { 'application/octet-stream': {} }),
  }
  return { required: isOptional !== true, content }
}

function responsesOf(route: DescribedRoute, components: Components): Schema {
  const { answer, alsoAs = [], also = {} } = route.operation
  const [schema, types] = answer instanceof z.ZodType ? [answer, alsoAs] : [null, answer]
  const content = {
    ...(schema !== null && { 'application/json': { schema: components.of(schema, 'output') } }),
    ...Object.fromEntries(types.map((type) => [type, {}])),
  }
  const refusal = { 'application/json': { schema: components.of(refusalAnswer, 'output') } }
  const responses: Record<string, Schema> = { 200: { description: 'Done.', content } }
  for (const [status, description] of Object.entries(also))
    responses[status] = { description, content }
  for (const [status, codes] of errorsOf(route)) {
    const description = codes.map((code) => `\`${code}\``).join(', ')
    responses[status] ??= { description, content: refusal }
  }
  return responses
}

/** What a route can refuse, by status. */
function errorsOf({ path, operation }: DescribedRoute): Map<number, ErrorCode[]> {
  const { access, body, errors = [] } = operation
  const codes = new Set<ErrorCode>([
    ...(access === 'open' ? [] : (['unauthorized', 'forbidden', 'too_many_requests'] as const)),
    ...(body === undefined
      ? []
      : (['bad_request', 'invalid', 'too_large', 'request_timeout'] as const)),
    ...(path.includes(':') ? (['not_found'] as const) : []),
    ...errors,
    'headers_too_large',
    'internal',
    'unavailable',
  ])
  const byStatus = new Map<number, ErrorCode[]>()
  for (const code of codes) {
    const status = statusOf(code)
    byStatus.set(status, [...(byStatus.get(status) ?? []), code])
  }
  return byStatus
}
