import { Hono } from 'hono'
import { openApiDocument } from '../openapi/document.ts'
import { docsPage, PAGE_POLICY } from '../openapi/page.ts'
import type { Env } from './http.ts'

/** The API, described for programs. It says nothing that the project's page does not, so everybody may have it. */
export function openApiRoutes(): Hono<Env> {
  const app = new Hono<Env>()
  let text: string | null = null
  app.get('/openapi.json', (c) => {
    text ??= JSON.stringify(openApiDocument())
    return c.body(text, 200, { 'content-type': 'application/json' })
  })
  return app
}

/** The same for people. */
export function docsRoutes(): Hono<Env> {
  const app = new Hono<Env>()
  let page: Promise<string> | null = null
  app.get('/docs', async (c) => {
    page ??= docsPage(openApiDocument())
    return c.html(await page, 200, {
      'content-security-policy': PAGE_POLICY,
    })
  })
  return app
}
