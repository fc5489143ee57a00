/** The index of the bass channel (LFE) in ffmpeg's layouts. */
const BASS: Record<string, number> = {
  '2.1': 2,
  '3.1': 3,
  '4.1': 3,
  '5.1': 3,
  '5.1(side)': 3,
  '6.1': 3,
  '6.1(back)': 3,
  '6.1(front)': 3,
  '7.1': 3,
  '7.1(wide)': 3,
  '7.1(wide-side)': 3,
}
/** Known to every ffmpeg version: sound whose form changes midway can be converted to these. */
const COMMON = new Set(['mono', 'stereo', '3.0', 'quad', '5.0', '5.1', '5.1(side)', '7.1'])

/** @param layout ffprobe's name of it. */
export function isBass(layout: string | null, channels: number, channel: number): boolean {
  return channels > 2 && layout !== null && BASS[layout] === channel
}

/** The layout to convert to before channels are addressed; null: none. */
export function commonLayout(layout: string | null, channels: number): string | null {
  if (channels === 1) return 'mono'
  if (channels === 2) return 'stereo'
  return layout !== null && COMMON.has(layout) ? layout : null
}

/** For people, who count from 1. */
export function channelAt(index: number): string {
  return `channel ${index + 1}`
}
