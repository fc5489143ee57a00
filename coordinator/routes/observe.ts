import { Hono } from 'hono'
import type { RouterRoute } from 'hono/types'
import { z } from 'zod'
import { VERSION } from '../../shared/version.ts'
import { coordinatorHealth } from '../../shared/wire-answers.ts'
import { namedObject } from '../../shared/wire-fields.ts'
import { sumOf } from '../job/tally.ts'
import { describeRoute } from '../openapi/describe-route.ts'
import { openApiDocument } from '../openapi/document.ts'
import type { Services } from '../assemble.ts'
import type { Env } from './http.ts'

/**
 * What load balancers, monitoring and generated clients read; also outside the API's root.
 * @param routes all of the app, asked for once they are registered.
 */
export function observeRoutes(
  { claims, jobs, metrics, health }: Services,
  routes: () => readonly RouterRoute[],
): Hono<Env> {
  const app = new Hono<Env>()
  let document: string | null = null
  let counts = sumOf([])

  app.get(
    '/health',
    describeRoute({
      id: 'health',
      tag: 'Observing',
      access: 'open',
      summary: 'Whether the coordinator works',
      answer: coordinatorHealth,
      also: { '503': 'It takes no changes.' },
    }),
    async (c) => {
      const { failure, detail, quarantined, database } = health
      try {
        counts = sumOf((await jobs.reader.counts()).map((type) => type.counts))
      } catch (error) {
        // What was counted last is shown.
        if (health.database === null) throw error
      }
      return c.json(
        {
          status: failure === null ? 'ok' : 'failing',
          version: VERSION,
          detail,
          jobs: counts,
          waiting_claims: claims.waiting,
          quarantined,
          ...(database !== null && { database }),
        },
        failure === null ? 200 : 503,
      )
    },
  )

  app.get(
    '/live',
    describeRoute({
      id: 'live',
      tag: 'Observing',
      access: 'open',
      summary: 'Whether the process answers, also while its storage does not: when to restart it',
      answer: namedObject('Live', { status: z.literal('live') }),
    }),
    (c) => c.json({ status: 'live' }),
  )

  app.get(
    '/ready',
    describeRoute({
      id: 'ready',
      tag: 'Observing',
      access: 'open',
      summary: 'Whether the coordinator can serve',
      answer: namedObject('Ready', {
        status: z.enum(['ready', 'not ready']),
        detail: z.string().exactOptional(),
      }),
      also: { '503': 'It cannot; `detail` says why.' },
    }),
    (c) => {
      const { detail } = health
      return detail === null
        ? c.json({ status: 'ready' })
        : c.json({ status: 'not ready', detail }, 503)
    },
  )

  app.get(
    '/metrics',
    describeRoute({
      id: 'metrics',
      tag: 'Observing',
      access: ['read'],
      summary: 'Metrics for Prometheus',
      answer: ['text/plain'],
    }),
    async (c) => c.body(await metrics.text(), 200, { 'content-type': metrics.contentType }),
  )

  app.get(
    '/openapi.json',
    describeRoute({
      id: 'openapi',
      tag: 'Observing',
      access: 'open',
      summary: 'This document',
      answer: ['application/json'],
    }),
    (c) => {
      document ??= JSON.stringify(openApiDocument(routes()))
      return c.body(document, 200, { 'content-type': 'application/json' })
    },
  )

  return app
}
