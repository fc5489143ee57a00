import type { IngestAnswer } from '../job/continuation.ts'
import type { ResultBody } from '../job/job.ts'
import type { IngestOptions } from './ingest-options.ts'

export const API_NAMES = ['stages', 'process', 'ingest'] as const
export type ApiName = (typeof API_NAMES)[number]

export interface TextToIngest {
  text: string
  filename: string
  documentId: string
  /** What is known of the file, and the client's own metadata. */
  metadata: Record<string, unknown>
  options: IngestOptions
  /** Where the server may report the outcome. */
  callbackUrl: string
}

export interface FileToConvert {
  filename: string
  contentType: string
  /** Null: the server makes one up if it needs one. */
  documentId: string | null
  /** The client's own. */
  metadata: Record<string, unknown>
  processingOptions: Record<string, unknown>
  sizeBytes: number
  /** The file's bytes, from its beginning at each call. */
  read: () => AsyncIterable<Buffer> & { destroy?(): unknown }
}

/** What became of a text: it is in the index, or the server works on it as the task `taskId`. */
export type Ingested = { answer: IngestAnswer; taskId: null } | { answer: null; taskId: string }

/** One version of the server's API: its requests, and how to read its answers. */
export interface MoragApi {
  readonly name: ApiName
  readonly ingestion: {
    readonly path: string
    /** How long the server may take to answer. */
    readonly timeoutMs: number
    /** The form's fields beside the file. */
    fields: (document: TextToIngest) => Record<string, string>
    text: (document: TextToIngest) => string
    /** @param answer read as JSON; undefined when it is none. @returns why it failed, as a text. */
    read: (answer: unknown) => Ingested | string
  }
  readonly conversion: {
    readonly path: string
    fields: (file: FileToConvert) => Record<string, string>
    /** As `ingestion.read`; null: there is no text in the answer. */
    read: (answer: unknown) => ResultBody | string | null
  }
}

/**
 * Media types that the servers accept, by file ending. Where a form gives another type, they guess by the file's name, and
 * refuse what Python guesses for some (`audio/x-wav`).
 */
const MEDIA_TYPES: Record<string, string> = {
  pdf: 'application/pdf',
  txt: 'text/plain',
  md: 'text/markdown',
  html: 'text/html',
  htm: 'text/html',
  rtf: 'application/rtf',
  doc: 'application/msword',
  docx: 'application/vnd.openxmlformats-officedocument.wordprocessingml.document',
  ppt: 'application/vnd.ms-powerpoint',
  pptx: 'application/vnd.openxmlformats-officedocument.presentationml.presentation',
  xls: 'application/vnd.ms-excel',
  xlsx: 'application/vnd.openxmlformats-officedocument.spreadsheetml.sheet',
  mp3: 'audio/mpeg',
  wav: 'audio/wav',
  m4a: 'audio/mp4',
  flac: 'audio/flac',
  ogg: 'audio/ogg',
  mp4: 'video/mp4',
  avi: 'video/x-msvideo',
  mov: 'video/quicktime',
  mkv: 'video/x-matroska',
  webm: 'video/webm',
  jpg: 'image/jpeg',
  jpeg: 'image/jpeg',
  png: 'image/png',
  gif: 'image/gif',
  bmp: 'image/bmp',
  tiff: 'image/tiff',
  webp: 'image/webp',
}

export function endingOf(filename: string): string {
  return /\.([a-z0-9]+)$/i.exec(filename)?.[1]?.toLowerCase() ?? ''
}

export function mediaTypeFor(filename: string): string {
  const ending = endingOf(filename)
  const known = Object.hasOwn(MEDIA_TYPES, ending) ? MEDIA_TYPES[ending] : undefined
  return known ?? 'application/octet-stream'
}
