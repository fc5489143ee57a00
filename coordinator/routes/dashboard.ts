import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { Hono, type Context } from 'hono'
import { AppError } from '../../shared/errors.ts'
import { describeRoute } from '../openapi/describe-route.ts'
import type { Env } from './http.ts'

/** Beside the code, also in the package. */
const FOLDER = fileURLToPath(new URL('../dashboard/', import.meta.url))
const PAGE = 'index.html'
/** What is served of the folder. */
const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.svg': 'image/svg+xml',
}
/** The page loads only this coordinator's files; no inline script, and no text that becomes markup. */
const POLICY = [
  "default-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "object-src 'none'",
  "require-trusted-types-for 'script'",
  "trusted-types 'none'",
].join('; ')

interface PageFile {
  bytes: Uint8Array<ArrayBuffer>
  type: string
  etag: string
}

/** The dashboard's static files, open to everybody: the page asks the API for its data like any client. */
export function dashboardRoutes(): Hono<Env> {
  const app = new Hono<Env>()
  let files: Map<string, PageFile> | null = null

  function send(c: Context<Env>, name: string): Response {
    files ??= readFiles()
    const file = files.get(name)
    if (file === undefined) throw new AppError('not_found', `There is no ${c.req.path}.`)
    const { bytes, type, etag } = file
    c.header('etag', etag)
    c.header('cache-control', 'no-cache')
    c.header('referrer-policy', 'same-origin')
    c.header('content-security-policy', POLICY)
    if (c.req.header('if-none-match')?.includes(etag) === true) return c.body(null, 304)
    return c.body(bytes, 200, { 'content-type': type })
  }

  app.get(
    '/',
    describeRoute({
      id: 'dashboard',
      tag: 'Observing',
      access: 'open',
      summary: 'The dashboard',
      answer: ['text/html'],
    }),
    (c) => send(c, PAGE),
  )

  app.get(
    '/dashboard/:file',
    describeRoute({
      id: 'dashboardFile',
      tag: 'Observing',
      access: 'open',
      summary: 'A file of the dashboard',
      answer: ['text/javascript', 'text/css', 'image/svg+xml'],
    }),
    (c) => send(c, c.req.param('file')),
  )

  return app
}

/** The files as they were at the first request. */
function readFiles(): Map<string, PageFile> {
  const files = new Map<string, PageFile>()
  for (const name of readdirSync(FOLDER)) {
    const type = TYPES[path.extname(name)]
    if (type === undefined) continue
    const bytes = new Uint8Array(readFileSync(path.join(FOLDER, name)))
    const etag = `"${createHash('sha256').update(bytes).digest('base64url').slice(0, 22)}"`
    files.set(name, { bytes, type, etag })
  }
  return files
}
