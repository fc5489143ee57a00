import type { IngestOptions } from './ingest-options.ts'

type Databases = Pick<IngestOptions, 'databaseConfig' | 'databases'>
type Facts = Record<string, unknown>

/** The databases as the older servers take them: `[{type, hostname, port, username, password, database_name}]`. */
export function databaseList({ databaseConfig: config, databases }: Databases): unknown[] | null {
  if (databases !== null)
    return databases.map((one) => (typeof one === 'string' ? { type: one } : one))
  if (config === null) return null
  const isQdrant = ['qdrant_url', 'qdrant_api_key', 'collection_name'].some((key) => key in config)
  const qdrant = given({
    type: 'qdrant',
    hostname: config['qdrant_url'],
    password: config['qdrant_api_key'],
    database_name: config['collection_name'],
  })
  const neo4j = given({
    type: 'neo4j',
    hostname: config['neo4j_uri'],
    username: config['neo4j_user'],
    password: config['neo4j_password'],
    database_name: config['neo4j_database'],
  })
  return [...(isQdrant ? [qdrant] : []), ...(Object.keys(neo4j).length > 1 ? [neo4j] : [])]
}

/** The databases as `POST /process` takes them: one object for both kinds. */
export function databaseConfig(options: Databases): Facts | null {
  if (options.databaseConfig !== null) return options.databaseConfig
  const { qdrant, neo4j } = byType(options)
  if (qdrant === undefined && neo4j === undefined) return null
  return given({
    qdrant_url: qdrant && urlOf(qdrant),
    qdrant_api_key: qdrant?.['password'],
    collection_name: qdrant?.['database_name'],
    neo4j_uri: neo4j?.['hostname'],
    neo4j_user: neo4j?.['username'],
    neo4j_password: neo4j?.['password'],
    neo4j_database: neo4j?.['database_name'],
  })
}

/** The databases as the stage `ingestor` takes them. */
export function ingestorDatabases(options: Databases): Facts {
  const { qdrant, neo4j } = byType(options)
  const names = [...(qdrant ? ['qdrant'] : []), ...(neo4j ? ['neo4j'] : [])]
  if (names.length === 0) return {}
  const collection = qdrant?.['database_name']
  return given({
    databases: names,
    collection_name: collection,
    qdrant_config:
      qdrant &&
      given({
        host: qdrant['hostname'],
        port: qdrant['port'],
        api_key: qdrant['password'],
        collection_name: collection,
      }),
    neo4j_config:
      neo4j &&
      given({
        uri: neo4j['hostname'],
        username: neo4j['username'],
        password: neo4j['password'],
        database: neo4j['database_name'],
      }),
  })
}

function byType(options: Databases): { qdrant?: Facts; neo4j?: Facts } {
  const found: Record<string, Facts> = {}
  for (const one of databaseList(options) ?? []) {
    if (typeof one === 'object' && one !== null && 'type' in one)
      found[String(one.type)] ??= { ...one }
  }
  return found
}

function urlOf({ hostname, port }: Facts): unknown {
  if (typeof hostname !== 'string' || hostname.includes('://')) return hostname
  return `http://${hostname}:${typeof port === 'number' ? port : 6333}`
}

/** Without undefined and null values. */
export function given(facts: Facts): Facts {
  return Object.fromEntries(
    Object.entries(facts).filter(([, value]) => value !== undefined && value !== null),
  )
}
