import { readdir, readFile } from 'node:fs/promises'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { findChapters } from '../../agent/transcript/find-chapters.ts'
import { sentencesIn } from '../../shared/sentences.ts'
import type { Segment } from '../../shared/transcript.ts'
import { pk, windowDiff } from './chapters/error.ts'
import type { Measure } from './report.ts'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const FOLDERS = ['agent/docs', 'coordinator/docs', 'shared/docs', '.github']
/** Of speech. */
const CHARACTERS_PER_SECOND = 15
const LEAST_CHARACTERS = 2_500
const HOURS = 10

/**
 * Chapters found in the pages of this project, read one after the other: where one page ends and the next begins is known.
 * All are about one subject, which makes it harder than other sets.
 */
export async function chapters(): Promise<Measure[]> {
  const pages = await pagesHere()
  const segments = spokenPages(pages)
  const ends = pages.map((_, i) => pages.slice(0, i + 1).flat().length)
  const borders = [0, ...ends.slice(0, -1)]
  const durationSeconds = segments.at(-1)!.end
  const found = findChapters({ segments, language: 'en', durationSeconds })
  const places = found.map(({ startSeconds }) =>
    Math.max(
      0,
      segments.findIndex(({ start }) => start >= startSeconds),
    ),
  )
  const even = borders.map((_, i) => Math.round((i * segments.length) / borders.length))
  const long = Array.from({ length: Math.ceil((HOURS * 3_600) / durationSeconds) }, (_, turn) =>
    segments.map(({ start, end, text }) => ({
      start: start + turn * durationSeconds,
      end: end + turn * durationSeconds,
      text: turn % 2 === 0 ? text : text.toUpperCase(),
    })),
  ).flat()
  const from = performance.now()
  findChapters({ segments: long, language: 'en', durationSeconds: long.at(-1)!.end })
  const seconds = (performance.now() - from) / 1000
  const errors = (hypothesis: readonly number[]): string =>
    [pk, windowDiff]
      .map((error) => error(borders, hypothesis, segments.length).toFixed(3))
      .join(', ')
  return [
    {
      name: `${pages.length} pages, ${segments.length} sentences, ${Math.round(durationSeconds / 60)} minutes: chapters`,
      value: String(found.length),
    },
    { name: 'Pk, WindowDiff of chapters of equal length', value: errors(even) },
    { name: '… of the chapters that were found', value: errors(places) },
    {
      name: `time for ${HOURS} hours`,
      value: `${seconds.toFixed(2)} s`,
      promise: 'under 2 s',
      kept: seconds < 2,
    },
    ...found.slice(0, 8).map(({ startSeconds, title }) => ({
      name: `  [${Math.round(startSeconds)}] ${title}`,
      value: '',
    })),
  ]
}

/** The sentences of each page. */
async function pagesHere(): Promise<string[][]> {
  const pages: string[][] = []
  for (const folder of FOLDERS) {
    for (const name of (await readdir(path.join(ROOT, folder))).filter((one) =>
      one.endsWith('.md'),
    )) {
      const text = proseOf(await readFile(path.join(ROOT, folder, name), 'utf8'))
      if (text.length >= LEAST_CHARACTERS) pages.push(sentencesIn(text, 'en'))
    }
  }
  return pages
}

function proseOf(page: string): string {
  return page
    .replaceAll(/```.*?```|<!--.*?-->/gs, '')
    .split('\n')
    .filter((line) => line.trim() !== '' && !/^[#|]/.test(line))
    .map((line) => line.replace(/^\s*(?:[-*]|\d+\.) /, ''))
    .join(' ')
    .replaceAll(/\[([^\]]*)\]\([^)]*\)/g, '$1')
    .replaceAll(/[`*]/g, '')
}

function spokenPages(pages: readonly string[][]): Segment[] {
  let at = 0
  return pages.flat().map((text) => {
    const start = at
    at += text.length / CHARACTERS_PER_SECOND
    return { start, end: at, text }
  })
}
