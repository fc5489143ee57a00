import { statusOf, type ErrorCode } from '../../shared/errors.ts'
import { VERSION } from '../../shared/version.ts'
import { API } from '../../shared/wire.ts'
import { ruleOf } from '../access/permissions.ts'
import { INGESTION_OPERATIONS } from './ingestion-operations.ts'
import { JOB_OPERATIONS } from './job-operations.ts'
import { OPERATING_OPERATIONS } from './operating-operations.ts'
import type { Operation, Parameter } from './operation.ts'
import { componentSchemas, queryParameters, refTo, type Schema } from './schemas.ts'
import { WORKER_OPERATIONS } from './worker-operations.ts'

/** Every route, in the order of telling. */
export const OPERATIONS: readonly Operation[] = [
  ...JOB_OPERATIONS,
  ...INGESTION_OPERATIONS,
  ...WORKER_OPERATIONS,
  ...OPERATING_OPERATIONS,
]

export interface OpenApi {
  openapi: string
  info: { title: string; version: string; description: string }
  paths: Record<string, Record<string, Schema>>
  components: { schemas: Record<string, Schema>; securitySchemes: Schema }
  security: Schema[]
  tags: { name: string }[]
}

const ABOUT = `Keys are snake_case, instants ISO 8601 in UTC, durations seconds. Keys that are not described here may come with later versions. Try again on 429, 5xx and network errors, after \`Retry-After\` where there is one, and on nothing else.`

/** The API as an OpenAPI 3.1 document, made of the schemas that requests are checked with. */
export function openApiDocument(): OpenApi {
  const paths: OpenApi['paths'] = {}
  for (const operation of OPERATIONS) {
    for (const route of routesOf(operation)) {
      const path = route.replace(/:(\w+)(\{.*\})?/g, '{$1}')
      paths[path] = { ...paths[path], [operation.method.toLowerCase()]: told(operation, route) }
    }
  }
  return {
    openapi: '3.1.1',
    info: { title: 'MoRAG remote conversion', version: VERSION, description: ABOUT },
    paths,
    components: {
      schemas: componentSchemas(),
      securitySchemes: {
        bearer: { type: 'http', scheme: 'bearer' },
        apiKey: { type: 'apiKey', in: 'header', name: 'X-API-Key' },
      },
    },
    security: [{ bearer: [] }, { apiKey: [] }],
    tags: [...new Set(OPERATIONS.map(({ tag }) => tag))].map((name) => ({ name })),
  }
}

/** As the app has them. */
export function routesOf({ route, isAtRoot }: Operation): string[] {
  if (isAtRoot === 'only') return [route]
  return isAtRoot === 'too' ? [API + route, route] : [API + route]
}

function told(operation: Operation, route: string): Schema {
  const { id, tag, summary, description, method, events } = operation
  const rule = ruleOf(method, route)
  const parameters = parametersOf(operation)
  const body = bodyOf(operation)
  return {
    operationId: route.startsWith(API) || operation.isAtRoot === 'only' ? id : `${id}AtRoot`,
    tags: [tag],
    summary,
    ...(description !== undefined && { description }),
    ...(rule === 'open' ? { security: [] } : { 'x-roles': [...rule, 'admin'] }),
    ...(parameters.length > 0 && { parameters }),
    ...(body !== null && { requestBody: body }),
    responses: responsesOf(operation, rule === 'open'),
    ...(events !== undefined && {
      'x-events': Object.fromEntries(
        Object.entries(events).map(([name, schema]) => [name, refTo(schema)]),
      ),
    }),
  }
}

function parametersOf({ route, path, query, headers }: Operation): Schema[] {
  const inPath = [...route.matchAll(/:(\w+)/g)].map(([, name]) =>
    parameter('path', name!, path?.[name!] ?? { description: '' }),
  )
  const inHeader = Object.entries(headers ?? {}).map(([name, one]) =>
    parameter('header', name, one),
  )
  return [...inPath, ...(query === undefined ? [] : queryParameters(query)), ...inHeader]
}

function parameter(
  where: 'path' | 'header',
  name: string,
  { description, isRequired, schema }: Parameter,
): Schema {
  return {
    name,
    in: where,
    ...(description !== '' && { description }),
    required: where === 'path' || isRequired === true,
    schema: schema ?? { type: 'string' },
  }
}

function bodyOf({ body }: Operation): Schema | null {
  if (body === undefined) return null
  const { json, form, isBytes, isOptional } = body
  const content = {
    ...(form !== undefined && { 'multipart/form-data': { schema: form } }),
    ...(json !== undefined && { 'application/json': { schema: refTo(json) } }),
    ...(isBytes === true && { 'application/octet-stream': {} }),
  }
  return { required: isOptional !== true, content }
}

function responsesOf(operation: Operation, isOpen: boolean): Schema {
  const { answer, also } = operation
  const content =
    typeof answer === 'string'
      ? { 'application/json': { schema: refTo(answer) } }
      : Object.fromEntries(answer.map((type) => [type, {}]))
  const responses: Record<string, Schema> = { 200: { description: 'Done.', content } }
  for (const [status, description] of Object.entries(also ?? {}))
    responses[status] = { description, content }
  for (const [status, codes] of errorsOf(operation, isOpen)) {
    const refused = { 'application/json': { schema: refTo('Refusal') } }
    responses[status] ??= {
      description: codes.map((code) => `\`${code}\``).join(', '),
      content: refused,
    }
  }
  return responses
}

/** What a route can refuse, by status. */
function errorsOf({ body, errors, route }: Operation, isOpen: boolean): Map<number, ErrorCode[]> {
  const codes = new Set<ErrorCode>([
    ...(isOpen ? [] : (['unauthorized', 'forbidden', 'too_many_requests'] as const)),
    ...(body === undefined ? [] : (['bad_request', 'invalid', 'too_large'] as const)),
    ...(route.includes(':') ? (['not_found'] as const) : []),
    ...(errors ?? []),
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
