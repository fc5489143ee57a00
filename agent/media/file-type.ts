import path from 'node:path'
import { VIDEO_ENDINGS } from '../../shared/endings.ts'

/** Among recordings `ts` is a transport stream. */
const VIDEO = new Set([...VIDEO_ENDINGS, 'ts'])

/** By the file's extension. */
export function contentTypeOf(file: string): 'audio' | 'video' {
  return VIDEO.has(path.extname(file).slice(1).toLowerCase()) ? 'video' : 'audio'
}
