import { renderSrt, renderText, renderVtt } from './render.ts'
import { segmentsOf } from './transcript.ts'

export const FORMS = ['md', 'json', 'srt', 'vtt', 'txt'] as const
/** A form that a transcript can be had in. */
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
}

/** A transcript in one of its forms; `json` is its metadata with the segments. */
export function renderForm(form: Form, { content, metadata }: Converted): string {
  switch (form) {
    case 'md':
      return content
    case 'json':
      return `${JSON.stringify(metadata, null, 2)}\n`
    case 'srt':
      return renderSrt(segmentsOf(metadata))
    case 'vtt':
      return renderVtt(segmentsOf(metadata))
    case 'txt':
      return renderText(segmentsOf(metadata))
  }
}
