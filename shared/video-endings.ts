/** Of video files. Without `ts`, which is as often TypeScript. */
export const VIDEO_ENDINGS: readonly string[] =
  'mp4 m4v mkv webm mov avi wmv asf flv mpg mpeg mts m2ts 3gp 3g2 ogv ogm vob mxf dv'.split(' ')
