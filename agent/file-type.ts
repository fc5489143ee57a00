import path from 'node:path'

const VIDEO = new Set(
  '.mp4 .m4v .mkv .webm .mov .avi .mpg .mpeg .wmv .flv .ts .mts .3gp .ogv'.split(' '),
)

/** The content type of a file by its extension: `video` where it is one of a video, else `audio`. */
export function contentTypeOf(file: string): 'audio' | 'video' {
  return VIDEO.has(path.extname(file).toLowerCase()) ? 'video' : 'audio'
}
