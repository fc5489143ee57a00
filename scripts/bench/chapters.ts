import { readdir, readFile } from 'node:fs/promises'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { findChapters } from '../../agent/transcript/find-chapters.ts'
import { sentencesIn } from '../../shared/sentences.ts'
import type { Segment } from '../../shared/transcript.ts'
import { pk, windowDiff } from './chapters/error.ts'
import type { Measure } from './report.ts'
import { subjects } from './retrieval/talk.ts'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const FOLDERS = ['agent/docs', 'coordinator/docs', 'shared/docs', '.github']
/** Of speech. */
const CHARACTERS_PER_SECOND = 15
const LEAST_CHARACTERS = 2_500
const HOURS = 10

/**
 * Chapters found in texts whose topics are known: a talk of ten subjects, and the pages of this project read one after the
 * other, which are all about one subject.
 */
export async function chapters(): Promise<Measure[]> {
  return [...found('subjects of a talk', await subjects()), ...found('pages', await pagesHere())]
}

function found(what: string, pages: readonly string[][]): Measure[] {
  const segments = spokenPages(pages)
  const ends = pages.map((_, i) => pages.slice(0, i + 1).flat().length)
  const borders = [0, ...ends.slice(0, -1)]
  const durationSeconds = segments.at(-1)!.end
  const shown = findChapters({ segments, durationSeconds })
  const places = shown.map(({ startSeconds }) =>
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
  findChapters({ segments: long, durationSeconds: long.at(-1)!.end })
  const seconds = (performance.now() - from) / 1000
  const errors = (hypothesis: readonly number[]): string =>
    [pk, windowDiff]
      .map((error) => error(borders, hypothesis, segments.length).toFixed(3))
      .join(', ')
  return [
    {
      name: `${pages.length} ${what}, ${segments.length} sentences, ${Math.round(durationSeconds / 60)} minutes: chapters`,
      value: String(shown.length),
    },
    { name: 'Pk, WindowDiff of chapters of equal length', value: errors(even) },
    { name: '… of the chapters that were found', value: errors(places) },
    {
      name: `time for ${HOURS} hours`,
      value: `${seconds.toFixed(2)} s`,
      promise: 'under 2 s',
      kept: seconds < 2,
    },
    ...shown.slice(0, 10).map(({ startSeconds, title }) => ({
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
