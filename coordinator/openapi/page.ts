import { createHash } from 'node:crypto'
import { html, raw } from 'hono/html'
import type { OpenApi } from './document.ts'
import { schemaHtml, type Html } from './schema-html.ts'
import type { Schema } from './schemas.ts'

const STYLE = `
:root { color-scheme: light dark; --line: light-dark(#ccc, #444); --soft: light-dark(#f4f4f4, #222); --link: light-dark(#0b57d0, #8ab4f8) }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 0 auto; padding: 1rem }
a { color: var(--link) }
code, pre { font: 0.9em ui-monospace, monospace; background: var(--soft); border-radius: 3px; overflow-wrap: anywhere }
code { padding: 0 0.2em }
details { border: 1px solid var(--line); border-radius: 4px; margin: 0.4rem 0; padding: 0.3rem 0.7rem }
summary { cursor: pointer; overflow-wrap: anywhere }
h3 { font-size: 1rem; margin: 0.8rem 0 0 }
ul { margin: 0.2rem 0; padding-left: 1.4rem }
nav ul { columns: 14rem; list-style: none; padding: 0 }
`

/** What the page may do: show itself. */
export const PAGE_POLICY = `default-src 'none'; style-src 'sha256-${createHash('sha256').update(STYLE).digest('base64')}'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`

/** The document as a page that needs nothing else: no script, no other file. */
export async function docsPage(document: OpenApi): Promise<string> {
  const { info, tags, components } = document
  const page = html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width" />
        <title>${info.title}: HTTP API</title>
        <link rel="icon" href="data:," />
        ${raw(`<style>${STYLE}</style>`)}
      </head>
      <body>
        <header>
          <h1>${info.title}: HTTP API</h1>
          <p>Version ${info.version}. For programs: <a href="openapi.json">openapi.json</a>.</p>
          <p>${prose(info.description)}</p>
        </header>
        <nav aria-label="Parts">
          <ul>
            ${tags.map(({ name }) => html`<li><a href="#${name}">${name}</a></li>`)}
            <li><a href="#forms">Forms of what is sent</a></li>
          </ul>
        </nav>
        <main>
          ${tags.map(({ name }) => partHtml(document, name))}
          <section aria-labelledby="forms">
            <h2 id="forms">Forms of what is sent</h2>
            ${Object.entries(components.schemas).map(
              ([name, schema]) =>
                html`<details id="form-${name}" open>
                  <summary><code>${name}</code></summary>
                  ${schemaHtml(schema)}
                </details>`,
            )}
          </section>
        </main>
      </body>
    </html>`
  return String(await page)
}

function partHtml({ paths }: OpenApi, tag: string): Html {
  const operations = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ path, method, operation })),
  )
  const own = operations.filter(({ operation }) => (operation['tags'] as string[]).includes(tag))
  return html`<section aria-labelledby="${tag}">
    <h2 id="${tag}">${tag}</h2>
    ${own.map(
      ({ path, method, operation }) =>
        html`<details id="${operation['operationId']}">
          <summary>
            <code>${method.toUpperCase()} ${path}</code> ${prose(operation['summary'])}
          </summary>
          ${operationHtml(operation)}
        </details>`,
    )}
  </section>`
}

function operationHtml(operation: Schema): Html {
  const roles = operation['x-roles'] as string[] | undefined
  const parameters = (operation['parameters'] ?? []) as Schema[]
  const body = operation['requestBody'] as Schema | undefined
  const events = operation['x-events'] as Record<string, Schema> | undefined
  return html`
    <p>
      ${prose(operation['description'])}
      ${roles === undefined ? 'For everybody.' : `For tokens with the role ${roles.join(', ')}.`}
    </p>
    ${parameters.length > 0 ? html`<h3>Parameters</h3>` : ''}
    <ul>
      ${parameters.map(
        ({ name, in: where, required, schema, description }) =>
          html`<li>
            <code>${name}</code> in the ${where}${required === true ? ', required' : ''}:
            ${prose(description)} ${schemaHtml(schema as Schema)}
          </li>`,
      )}
    </ul>
    ${
      body === undefined
        ? ''
        : html`<h3>Body${body['required'] === true ? '' : ', may be left out'}</h3>
            ${contentHtml(body)}`
    }
    <h3>Answers</h3>
    <ul>
      ${Object.entries(operation['responses'] as Record<string, Schema>).map(
        ([status, answer]) =>
          html`<li>
            <code>${status}</code> ${prose(answer['description'])} ${contentHtml(answer)}
          </li>`,
      )}
    </ul>
    ${events === undefined ? '' : html`<h3>Events</h3>`}
    <ul>
      ${Object.entries(events ?? {}).map(
        ([name, schema]) => html`<li><code>${name}</code>: ${schemaHtml(schema)}</li>`,
      )}
    </ul>
  `
}

function contentHtml({ content }: Schema): Html {
  return html`<ul>
    ${Object.entries((content ?? {}) as Record<string, Schema>).map(
      ([type, { schema }]) =>
        html`<li>
          <code>${type}</code> ${schema === undefined ? '' : schemaHtml(schema as Schema)}
        </li>`,
    )}
  </ul>`
}

/** Text in which `names` stand in backquotes. */
function prose(text: unknown): Html {
  const parts = typeof text === 'string' ? text.split('`') : []
  return html`${parts.map((part, i) => (i % 2 === 1 ? html`<code>${part}</code>` : part))}`
}
