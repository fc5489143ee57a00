import { html } from 'hono/html'
import type { Schema } from './schemas.ts'

export type Html = ReturnType<typeof html>

const BOUNDS: Readonly<Record<string, string>> = {
  minimum: 'at least',
  maximum: 'at most',
  minLength: 'characters at least',
  maxLength: 'characters at most',
  minItems: 'items at least',
  maxItems: 'items at most',
  format: 'as',
  contentMediaType: 'of the type',
}

/** A form for people: its type in words, and what it is made of as a list below. */
export function schemaHtml(schema: Schema): Html {
  const { $ref, properties, items, contentSchema } = schema
  if (typeof $ref === 'string') {
    const name = $ref.split('/').at(-1)!
    return html`<a href="#form-${name}">${name}</a>`
  }
  const either = (schema['anyOf'] ?? schema['oneOf'] ?? schema['allOf']) as Schema[] | undefined
  const word = schema['allOf'] === undefined ? 'or' : 'and'
  const parts = either?.map((one, i) => html`${i === 0 ? '' : ` ${word} `}${schemaHtml(one)}`)
  return html`${parts ?? inWords(schema)}${
    properties === undefined ? '' : propertiesHtml(schema, properties as Record<string, Schema>)
  }
  ${items === undefined ? '' : html`of ${schemaHtml(items as Schema)}`}
  ${contentSchema === undefined ? '' : html`: ${schemaHtml(contentSchema as Schema)}`}`
}

function propertiesHtml(schema: Schema, properties: Record<string, Schema>): Html {
  const required = (schema['required'] ?? []) as string[]
  return html`<ul>
    ${Object.entries(properties).map(
      ([name, one]) =>
        html`<li>
          <code>${name}</code>${required.includes(name) ? '' : ' (may be absent)'}:
          ${schemaHtml(one)}
        </li>`,
    )}
  </ul>`
}

function inWords(schema: Schema): string {
  const { type, enum: values, const: only, default: otherwise } = schema
  const named = values === undefined ? only : (values as unknown[]).join(' | ')
  const words = [textOf(named ?? (Array.isArray(type) ? type.join(' or ') : (type ?? 'anything')))]
  for (const [key, text] of Object.entries(BOUNDS))
    if (schema[key] !== undefined) words.push(`${text} ${textOf(schema[key])}`)
  if (otherwise !== undefined) words.push(`else ${JSON.stringify(otherwise)}`)
  return words.join(', ')
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value)
}
