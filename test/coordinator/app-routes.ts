import type { RouterRoute } from 'hono/types'
import { pino } from 'pino'
import { createApp } from '../../coordinator/app.ts'
import { assemble } from '../../coordinator/assemble.ts'
import { MediaRoots } from '../../coordinator/blobs/media-roots.ts'
import type { IngestionConfig } from '../../coordinator/config.ts'
import { openStorage } from '../../coordinator/open-storage.ts'
import { tempFolder } from '../shared/temp-folder.ts'
import { configOver, NO_INGESTION } from './running.ts'

/** What an app registers; with a MoRAG server behind it, also the routes that forward to that. */
export async function appRoutes(
  ingestion: IngestionConfig = NO_INGESTION,
): Promise<readonly RouterRoute[]> {
  const config = configOver(tempFolder(), { mediaRoots: [], ingestion })
  const log = pino({ enabled: false })
  const storage = await openStorage(config, log)
  const services = await assemble(config, log, storage, await MediaRoots.resolve([]))
  const { routes } = createApp(services)
  services.claims.close()
  services.events.close()
  services.metrics.close()
  await services.morag?.close()
  await storage.close()
  return routes
}
