import { API } from '../../shared/wire.ts'
import type { Connection } from '../../shared/connection.ts'

/** Removes a test's job, as far as the key permits: it must not wait for a worker forever. */
export async function removeJob(connection: Connection, jobId: string): Promise<void> {
  const path = `${API}/remote-jobs/${encodeURIComponent(jobId)}`
  await quietly(connection, 'POST', `${path}/cancel`)
  await quietly(connection, 'DELETE', path)
}

async function quietly(
  connection: Connection,
  method: 'POST' | 'DELETE',
  path: string,
): Promise<void> {
  await connection.exchange(path, { method }).then(
    ({ body }) => body.dump(),
    () => undefined,
  )
}
