import type { RouterRoute } from 'hono/types'
import { pino } from 'pino'
import { createApp } from '../../coordinator/app.ts'
import { assemble } from '../../coordinator/assemble.ts'
import { MediaRoots } from '../../coordinator/blobs/media-roots.ts'
import type { IngestionConfig } from '../../coordinator/config.ts'
import { JobTable } from '../../coordinator/storage/job-table.ts'
import { tempFolder } from '../shared/temp-folder.ts'
import { configOver, NO_INGESTION } from './running.ts'

/** What an app registers; with a MoRAG server behind it, also the routes that forward to that. */
export async function appRoutes(
  ingestion: IngestionConfig = NO_INGESTION,
): Promise<readonly RouterRoute[]> {
  const config = configOver(tempFolder(), { mediaRoots: [], ingestion })
  const store = await JobTable.open({
    dir: config.dataDir,
    now: Date.now,
    journalBytes: 1e9,
    onError: () => undefined,
  })
  const log = pino({ enabled: false })
  const services = await assemble(config, log, store, await MediaRoots.resolve([]))
  const { routes } = createApp(services)
  services.claims.close()
  services.events.close()
  services.metrics.close()
  await services.morag?.close()
  await store.close()
  return routes
}
