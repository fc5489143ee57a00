import { renderChapters } from './chapters.ts'
import { chunkOptionsOf, renderChunks, type ChunkOptions, type ChunkSource } from './chunks.ts'
import { writeJson } from './exact-json.ts'
import { AppError } from './errors.ts'
import { renderText, renderTsv } from './render.ts'
import { subtitleOptionsOf, type SubtitleOptions } from './subtitle-options.ts'
import { renderLrc, renderSrt, renderVtt } from './subtitles.ts'
import { renderPage } from './transcript-page.ts'
import { segmentsOf } from './transcript.ts'

export const FORMS = [
  'md',
  'json',
  'srt',
  'vtt',
  'txt',
  'chunks',
  'chapters',
  'html',
  'tsv',
  'lrc',
] as const
export type Form = (typeof FORMS)[number]

/** What a conversion gives: Markdown, and all that is known beside it, segments included. */
export interface Converted {
  content: string
  metadata: Record<string, unknown>
}

export const MEDIA_TYPES: Record<Form, string> = {
  md: 'text/markdown',
  json: 'application/json',
  srt: 'application/x-subrip',
  vtt: 'text/vtt',
  txt: 'text/plain',
  chunks: 'application/x-ndjson',
  chapters: 'text/vtt',
  html: 'text/html',
  tsv: 'text/tab-separated-values',
  lrc: 'text/plain',
}

/** How a file's name ends. */
export const ENDINGS: Record<Form, string> = {
  md: 'md',
  json: 'json',
  srt: 'srt',
  vtt: 'vtt',
  txt: 'txt',
  chunks: 'chunks.jsonl',
  chapters: 'chapters.vtt',
  html: 'html',
  tsv: 'tsv',
  lrc: 'lrc',
}

/** Of chunks and of subtitles. */
export type RenderOptions = ChunkOptions & ChunkSource & SubtitleOptions

/** The options of a job, as far as they fit; others are not for us. */
export function renderOptionsOf(taskOptions: Record<string, unknown>): RenderOptions {
  return { ...chunkOptionsOf(taskOptions), ...subtitleOptionsOf(taskOptions) }
}

/**
 * A transcript in one of its forms; `json` is its metadata with the segments. What has none, as a document, is its text.
 * @throws {AppError} `conflict` for what has no segments, in a form that has times.
 */
export function renderForm(
  form: Form,
  { content, metadata }: Converted,
  options: RenderOptions = {},
): string {
  const segments = segmentsOf(metadata)
  switch (form) {
    case 'md':
      return content
    case 'json':
      return `${writeJson(segments === null ? { text: content, ...metadata } : metadata, 2)}\n`
    case 'txt':
      return segments === null ? content : renderText(segments)
    case 'srt':
      return renderSrt(segments ?? noTimes(form), options, secondsOf(metadata))
    case 'vtt':
      return renderVtt(segments ?? noTimes(form), options, secondsOf(metadata))
    case 'chapters':
      if (segments === null) noTimes(form)
      return renderChapters(metadata)
    case 'chunks':
      return renderChunks(segments ?? noTimes(form), metadata, options)
    case 'html':
      return renderPage(segments ?? noTimes(form), metadata)
    case 'tsv':
      return renderTsv(segments ?? noTimes(form))
    case 'lrc':
      return renderLrc(segments ?? noTimes(form), options, secondsOf(metadata))
  }
}

/** The length of the recording. */
function secondsOf({ duration }: Record<string, unknown>): number | undefined {
  return typeof duration === 'number' && duration > 0 ? duration : undefined
}

function noTimes(form: Form): never {
  const message = `There is no ${ENDINGS[form]} of this result: it has no segments, which say when something is said. Take its text (md, txt or json).`
  throw new AppError('conflict', message)
}
