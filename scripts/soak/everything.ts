import type { SoakApi } from './api.ts'

/** The ids of all jobs there are. */
export async function everything(api: SoakApi): Promise<string[]> {
  const ids: string[] = []
  let cursor: string | null = ''
  while (cursor !== null) {
    const more: string = cursor === '' ? '' : `&cursor=${encodeURIComponent(cursor)}`
    const answer = await api.try('GET', `/remote-jobs/?limit=500${more}`)
    if (answer?.status !== 200) throw new Error('The jobs cannot be listed.')
    ids.push(...(answer.body['jobs'] as { job_id: string }[]).map(({ job_id: id }) => id))
    cursor = answer.body['next_cursor'] as string | null
  }
  return ids
}
