import path from 'node:path'
import { VIDEO_ENDINGS } from '../../shared/endings.ts'

/** What is given to us is a recording: `ts` is a transport stream then. */
const VIDEO = new Set([...VIDEO_ENDINGS, 'ts'])

/** The content type of a file by its extension: `video` where it is one of a video, else `audio`. */
export function contentTypeOf(file: string): 'audio' | 'video' {
  return VIDEO.has(path.extname(file).slice(1).toLowerCase()) ? 'video' : 'audio'
}
