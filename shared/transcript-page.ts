import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { oneLine, spoken } from './render.ts'
import { chaptersOf, type Chapter, type Segment } from './transcript.ts'

/** Colours in `page.css`. */
const COLOURS = 6

/** What is in `page/`; the markup's parser knows `\n` alone. */
const [STYLE, SCRIPT] = ['page.css', 'page.js'].map((name) =>
  readFileSync(new URL(`./page/${name}`, import.meta.url), 'utf8').replaceAll('\r\n', '\n'),
) as [string, string]

/** The page's Content-Security-Policy: its own style and script alone, no request to anywhere, and a file of the reader's. */
export const PAGE_POLICY = [
  "default-src 'none'",
  `style-src ${sourceOf(STYLE)}`,
  `script-src ${sourceOf(SCRIPT)}`,
  'media-src blob:',
  "base-uri 'none'",
  "form-action 'none'",
].join('; ')

/** The same for a server, which must not lend the page its own origin: a sandbox can only be asked for in a header. */
export const SERVED_PAGE_POLICY = `${PAGE_POLICY}; frame-ancestors 'none'; sandbox allow-scripts`

/** A transcript as a page of HTML on its own: a player for a file of the reader's, search, speakers, chapters, print. */
export function renderPage(
  segments: readonly Segment[],
  metadata: Record<string, unknown>,
): string {
  const title = oneLine(stringIn(metadata, 'file_name') || 'Transcript')
  const chapters = chaptersOf(metadata)
  const language = stringIn(metadata, 'language')
  const lang = /^[a-z]{2,3}(-[a-z0-9]{2,8})*$/i.test(language) ? ` lang="${language}"` : ''
  const facts = [clockOf(metadata['duration']), language].filter((fact) => fact !== '')
  const list = chapters.map(
    ({ start, title }) => `<li><a href="#t=${start}" dir="auto">${escaped(title)}</a></li>`,
  )
  return `<!doctype html>
<html${lang}>
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${PAGE_POLICY}">
<meta name="viewport" content="width=device-width">
<meta name="referrer" content="no-referrer">
<title>${escaped(title)}</title>
<style>${STYLE}</style>
</head>
<body>
<h1 dir="auto">${escaped(title)}</h1>
<p class="facts" dir="auto">${facts.map(escaped).join(' · ')}</p>
<div class="controls" lang="en">
<label>Play a file <input type="file" accept="audio/*,video/*"></label>
<label>Search <input type="search"></label>
<output></output>
<video controls hidden></video>
</div>
${list.length === 0 ? '' : `<nav aria-label="Chapters"><ol>\n${list.join('\n')}\n</ol></nav>\n`}<main>
${linesOf(spoken(segments), chapters).join('\n')}
</main>
<script>${SCRIPT}</script>
</body>
</html>
`
}

function linesOf(segments: readonly Segment[], chapters: readonly Chapter[]): string[] {
  const speakers = new Map<string, number>()
  const lines: string[] = []
  let chapter = 0
  let last = ''
  for (const { start, text, speaker = '', language } of segments) {
    for (; (chapters[chapter]?.start ?? Infinity) <= start; chapter++)
      lines.push(`<h2 dir="auto">${escaped(chapters[chapter]!.title)}</h2>`)
    if (!speakers.has(speaker)) speakers.set(speaker, speakers.size % COLOURS)
    const isNamed = speaker !== '' && speaker !== last
    last = speaker
    const colour = `speaker-${speakers.get(speaker)!}`
    const name = isNamed ? `<b class="${colour}" dir="auto">${escaped(speaker)}</b>` : ''
    const lang = /^[a-z]{2,3}$/.test(language ?? '') ? ` lang="${language}"` : ''
    const link = `<a href="#t=${start}">${clockOf(start)}</a>`
    lines.push(
      `<p data-start="${start}">${name}${link} <span dir="auto"${lang}>${escaped(text)}</span></p>`,
    )
  }
  return lines
}

function stringIn(metadata: Record<string, unknown>, key: string): string {
  const value = metadata[key]
  return typeof value === 'string' ? value : ''
}

/** `1:02:03` of seconds; nothing of something else. */
function clockOf(seconds: unknown): string {
  if (typeof seconds !== 'number' || !(seconds >= 0)) return ''
  const [hours, minutes, rest] = [seconds / 3600, (seconds / 60) % 60, seconds % 60].map(Math.floor)
  const pad = (n: number | undefined): string => String(n).padStart(2, '0')
  return hours === 0 ? `${minutes}:${pad(rest)}` : `${hours}:${pad(minutes)}:${pad(rest)}`
}

function escaped(text: string): string {
  return oneLine(text)
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
    .replaceAll("'", '&#39;')
}

function sourceOf(text: string): string {
  return `'sha256-${createHash('sha256').update(text).digest('base64')}'`
}
