import { STATUS_CODES } from 'node:http'
import { isErrorCode } from './errors.ts'
import { printable } from './printable.ts'

/**
 * The header of every response of a coordinator. A response without it comes from something on the way: a proxy whose
 * backend is being replaced, a firewall, a login page.
 */
export const COORDINATOR_MARK = 'morag-coordinator'
export const MARK_VALUE = '1'

type Headers = Record<string, string | string[] | undefined>

export function hasMark(headers: Headers): boolean {
  return headers[COORDINATOR_MARK] !== undefined
}

/**
 * Whether a refusal is a coordinator's own. An old one does not set the mark, but a `code`, which no proxy does.
 * @param isMarking whether the coordinator is known to set the mark.
 */
export function isOfCoordinator(headers: Headers, code: unknown, isMarking = false): boolean {
  return hasMark(headers) || (!isMarking && isErrorCode(code))
}

/** What answered instead, on one line: `404 Not Found from nginx/1.22.1 ("404 page not found")`. */
export function interceptedText(status: number, headers: Headers, body: string): string {
  const server = printable([headers['server']].flat()[0] ?? '', { most: 60 })
  const excerpt = printable(titleOf(body), { most: 100 })
  const from = server === '' ? '' : ` from ${server}`
  const saying = excerpt === '' ? '' : ` ("${excerpt}")`
  return `${status} ${STATUS_CODES[status] ?? ''}`.trim() + from + saying
}

function titleOf(page: string): string {
  const head = page.slice(0, 20_000)
  const title = /<title[^>]*>([^<]*)/i.exec(head)?.[1] ?? ''
  if (title.trim() !== '') return title
  return head.replace(/<(script|style)\b[^]*?(<\/\1>|$)/gi, ' ').replace(/<[^>]*>/g, ' ')
}
