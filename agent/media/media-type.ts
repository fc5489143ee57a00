const WEBM = new Set(['vp8', 'vp9', 'av1', 'opus', 'vorbis', 'webvtt'])
const PLAIN: Record<string, string> = {
  mp3: 'audio/mpeg',
  wav: 'audio/wav',
  w64: 'audio/wav',
  flac: 'audio/flac',
  aac: 'audio/aac',
  aiff: 'audio/aiff',
  amr: 'audio/amr',
  caf: 'audio/x-caf',
  ac3: 'audio/ac3',
  eac3: 'audio/eac3',
  dts: 'audio/vnd.dts',
  au: 'audio/basic',
  avi: 'video/x-msvideo',
  mpegts: 'video/mp2t',
  mpeg: 'video/mpeg',
  flv: 'video/x-flv',
  wv: 'audio/x-wavpack',
  tta: 'audio/x-tta',
  ape: 'audio/x-ape',
  gsm: 'audio/gsm',
  voc: 'audio/x-voc',
  mxf: 'application/mxf',
  dv: 'video/dv',
}

/**
 * By ffprobe's name of the container; undefined where no type is usual.
 * @param brand of an MP4.
 * @param moving whether it has a moving picture.
 */
export function mimeOf(
  format: string,
  brand: string,
  codecs: readonly string[],
  moving: boolean,
): string | undefined {
  const kind = moving ? 'video' : 'audio'
  if (format.startsWith('mov,')) {
    if (brand.startsWith('qt')) return 'video/quicktime'
    return brand.startsWith('3g') ? `${kind}/3gpp` : `${kind}/mp4`
  }
  if (format.startsWith('matroska')) {
    return codecs.every((codec) => WEBM.has(codec)) ? `${kind}/webm` : `${kind}/x-matroska`
  }
  if (format === 'ogg') return `${kind}/ogg`
  if (format === 'asf') return `${kind}/x-ms-${moving ? 'wmv' : 'wma'}`
  return PLAIN[format]
}
