import { text } from 'node:stream/consumers'
import { AppError } from '../../shared/errors.ts'
import type { Web } from './web.ts'

/** Larger than the page of a project with many releases. */
const MOST_BYTES = 32 * 1024 * 1024
const JSON_PAGE = 'application/vnd.pypi.simple.v1+json'

/**
 * The address of a wheel, by an index of Python packages (PEP 503, or PEP 691 as JSON).
 * @param index without a trailing slash.
 * @throws {AppError} `model_missing` when it has none of that name; as `Web.get`.
 */
export async function wheelUrl(
  web: Web,
  index: string,
  project: string,
  wheel: string,
  signal: AbortSignal,
): Promise<string> {
  const page = `${index}/${project}/`
  const answer = await web.get(page, { accept: `${JSON_PAGE}, text/html;q=0.5` }, signal)
  const body = await readPage(answer.body, page).catch((error: unknown) => {
    throw web.translated(error, page, signal)
  })
  const links = answer.header('content-type')?.startsWith(JSON_PAGE)
    ? linksInJson(body)
    : linksInHtml(body)
  for (const link of links) {
    const url = URL.canParse(link, page) ? new URL(link, page) : null
    if (url === null || !/^https?:$/.test(url.protocol)) continue
    url.hash = ''
    if (decodeURIComponent(url.pathname).endsWith(`/${wheel}`)) return url.href
  }
  throw new AppError('model_missing', `${new URL(page).host} has no ${wheel}`)
}

async function readPage(body: AsyncIterable<Buffer>, page: string): Promise<string> {
  async function* bounded(): AsyncIterable<Buffer> {
    let bytes = 0
    for await (const chunk of body) {
      bytes += chunk.length
      if (bytes > MOST_BYTES) throw new AppError('model_missing', `${page} is too long`)
      yield chunk
    }
  }
  return await text(bounded())
}

function linksInJson(body: string): string[] {
  try {
    const { files } = JSON.parse(body) as { files?: { url?: unknown }[] }
    return (files ?? []).flatMap(({ url }) => (typeof url === 'string' ? [url] : []))
  } catch {
    return []
  }
}

function linksInHtml(body: string): string[] {
  const links = body.matchAll(/<a\s[^>]*?href\s*=\s*(?:"([^"]*)"|'([^']*)')/gi)
  return [...links].map(([, double, single]) => (double ?? single ?? '').replaceAll('&amp;', '&'))
}
