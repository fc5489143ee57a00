import { Hono } from 'hono'
import { html } from 'hono/html'
import type { RouterRoute } from 'hono/types'
import { describedRoutes, describeRoute } from '../openapi/describe-route.ts'
import type { Env } from './http.ts'

/** The page loads nothing and runs nothing. */
const POLICY =
  "default-src 'none'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

/**
 * Where people find the API: its routes, and what renders the whole document.
 * @param routes all of the app, asked for once they are registered.
 */
export function docsRoutes(routes: () => readonly RouterRoute[]): Hono<Env> {
  const app = new Hono<Env>()

  app.get(
    '/docs',
    describeRoute({
      id: 'docs',
      tag: 'Observing',
      access: 'open',
      summary: 'The routes, for people',
      answer: ['text/html'],
    }),
    (c) => {
      const page = html`<!doctype html>
        <html lang="en">
          <head>
            <meta charset="utf-8" />
            <meta name="viewport" content="width=device-width" />
            <meta name="color-scheme" content="light dark" />
            <title>MoRAG remote conversion: HTTP API</title>
            <link rel="icon" href="data:," />
          </head>
          <body>
            <h1>HTTP API</h1>
            <p>
              <a href="openapi.json">openapi.json</a> describes every request and answer (OpenAPI
              3.1). Swagger UI, Scalar, Postman, Insomnia and Bruno open it; this makes a page of
              it:
            </p>
            <pre>npx @redocly/cli build-docs openapi.json</pre>
            <table>
              ${describedRoutes(routes()).map(
                ({ method, template, operation }) =>
                  html`<tr>
                    <td><code>${method} ${template}</code></td>
                    <td>${operation.summary}</td>
                  </tr>`,
              )}
            </table>
          </body>
        </html>`
      return c.html(page, 200, { 'content-security-policy': POLICY })
    },
  )

  return app
}
