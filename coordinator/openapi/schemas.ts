import { z } from 'zod'

/** A JSON schema as the document has it. */
export type Schema = { [key: string]: unknown }

type Direction = 'input' | 'output'

/** The named schemas (`.meta({ id })`) of a document, gathered as it refers to them. */
export class Components {
  readonly schemas: Record<string, Schema> = {}

  /** What a request may hold (`input`) or an answer holds (`output`): a reference where it has a name. */
  of(schema: z.ZodType, io: Direction): Schema {
    const {
      $schema: _,
      $defs = {},
      ...own
    } = inOpenApi(z.toJSONSchema(schema, { io, override: tidy }))
    Object.assign(this.schemas, $defs)
    return own
  }

  /** A JSON schema of a request, in which zod schemas may stand. */
  within(schema: unknown): unknown {
    if (schema instanceof z.ZodType) return this.of(schema, 'input')
    if (Array.isArray(schema)) return schema.map((one) => this.within(one))
    if (typeof schema !== 'object' || schema === null) return schema
    return Object.fromEntries(Object.entries(schema).map(([key, one]) => [key, this.within(one)]))
  }

  /** The parameters of a query, one by one. */
  ofQuery(query: z.ZodType): Schema[] {
    const { properties, required = [] } = this.of(query, 'input') as z.core.JSONSchema.JSONSchema
    return Object.entries(properties ?? {}).map(([name, schema]) => ({
      name,
      in: 'query',
      required: required.includes(name),
      schema,
    }))
  }
}

/** OpenAPI keeps definitions in `components`. */
function inOpenApi(schema: Schema): Schema {
  const text = JSON.stringify(schema).replaceAll('"#/$defs/', '"#/components/schemas/')
  return JSON.parse(text) as Schema
}

/** Leaves out what says nothing to a reader, and lets answers get keys in later versions. */
function tidy({ jsonSchema }: { jsonSchema: Schema }): void {
  if (jsonSchema['format'] === 'date-time') delete jsonSchema['pattern']
  if (jsonSchema['additionalProperties'] === false) delete jsonSchema['additionalProperties']
  if (jsonSchema['minimum'] === Number.MIN_SAFE_INTEGER) delete jsonSchema['minimum']
  if (jsonSchema['maximum'] === Number.MAX_SAFE_INTEGER) delete jsonSchema['maximum']
}
