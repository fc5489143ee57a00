import type { MiddlewareHandler } from 'hono'
import type { RouterRoute } from 'hono/types'
import { findTargetHandler } from 'hono/utils/handler'
import type { z } from 'zod'
import type { ErrorCode } from '../../shared/errors.ts'
import { ADMIN_ALONE, type Access } from '../access/roles.ts'
import type { Schema } from './schemas.ts'

/** The parts of the document, in its order. */
export const TAGS = {
  Jobs: 'Create, follow and cancel jobs.',
  Transcripts: 'Read what came of a job: its transcript, its recording, its artifacts.',
  Speech: "Other programs' APIs: OpenAI's audio API, and whisper-asr-webservice's.",
  Workers: 'Claim jobs, report progress, deliver results.',
  Ingestion: "The MoRAG server's ingestion API, with remote conversion.",
  Operating: 'Manage jobs and workers; sign in to the dashboard.',
  Observing: 'Health, events, metrics, this document.',
} as const

/** A header, or a part of the path. */
export interface Parameter {
  description: string
  isRequired?: boolean
  /** A string when left out. */
  schema?: Schema
}

/** A route as `/openapi.json` describes it. Zod schemas that have an id (`.meta({ id })`) become named schemas. */
export interface Operation {
  /** Unique: generated clients name their methods by it. */
  id: string
  tag: keyof typeof TAGS
  summary: string
  description?: string
  /** Who may use it; left out: `admin` alone. */
  access?: Access
  /** The MoRAG server has it too, and gets what is not the coordinator's. */
  isShared?: boolean
  query?: z.ZodType
  /** Path parameters that are more than an id. */
  path?: Readonly<Record<string, Parameter>>
  headers?: Readonly<Record<string, Parameter>>
  body?: {
    json?: z.ZodType
    /** A multipart form: a JSON schema in which zod schemas may stand. */
    form?: Schema
    isBytes?: boolean
    isOptional?: boolean
  }
  /** JSON, or the media types of anything else. */
  answer: z.ZodType | readonly string[]
  /** Media types in which a JSON answer can be had, too. */
  alsoAs?: readonly string[]
  /** Other statuses with the same content, and what they mean. */
  also?: Readonly<Record<string, string>>
  /** The events of a stream, by name. */
  events?: Readonly<Record<string, z.ZodType>>
  /** Beside those that follow from its access, body and path. */
  errors?: readonly ErrorCode[]
}

/** An operation at a path; one that is registered at two paths is two of them. */
export interface DescribedRoute {
  method: string
  /** As registered, with `:id`. */
  path: string
  /** As in the document, with `{id}`. */
  template: string
  operation: Operation
}

const DESCRIPTION = Symbol('description')

type Described = MiddlewareHandler & { [DESCRIPTION]?: Operation | { access: Access } }

/** Describes the route that it is registered with, as the first handler; the gate takes its `access` from here. */
export function describeRoute(operation: Operation): MiddlewareHandler {
  return described(operation)
}

/** Says who may use a route that is not in the document. */
export function allowRoute(access: Access): MiddlewareHandler {
  return described({ access })
}

function described(description: Operation | { access: Access }): Described {
  const passOn: MiddlewareHandler = (_, next) => next()
  return Object.assign(passOn, { [DESCRIPTION]: description })
}

/** Who may use a route: `admin` alone where nothing says more. */
export function accessOf(route: RouterRoute): Access {
  return descriptionOf(route)?.access ?? ADMIN_ALONE
}

/** The operations of an app by tag, those of a tag in the order in which they were registered. */
export function describedRoutes(routes: readonly RouterRoute[]): DescribedRoute[] {
  const found = routes.flatMap((route) => {
    const operation = descriptionOf(route)
    if (operation === undefined || !('id' in operation)) return []
    const { method, path } = route
    return [{ method, path, template: path.replace(/:(\w+)(\{.*\})?/g, '{$1}'), operation }]
  })
  return Object.keys(TAGS).flatMap((tag) => found.filter(({ operation }) => operation.tag === tag))
}

function descriptionOf({ handler }: RouterRoute): Described[typeof DESCRIPTION] {
  return (findTargetHandler(handler) as Described)[DESCRIPTION]
}
