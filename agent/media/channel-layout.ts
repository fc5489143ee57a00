/** Where ffmpeg's layouts have their channel for bass (LFE), counted from 0. */
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
/** Layouts that every ffmpeg knows by these names: sound that changes its form half-way can be brought to them. */
const COMMON = new Set(['mono', 'stereo', '3.0', 'quad', '5.0', '5.1', '5.1(side)', '7.1'])

/** Whether a channel is the one for bass in a layout, as ffprobe calls it. */
export function isBass(layout: string | null, channels: number, channel: number): boolean {
  return channels > 2 && layout !== null && BASS[layout] === channel
}

/** The layout to which sound of that many channels is brought before its channels are counted; null: left as it is. */
export function commonLayout(layout: string | null, channels: number): string | null {
  if (channels === 1) return 'mono'
  if (channels === 2) return 'stereo'
  return layout !== null && COMMON.has(layout) ? layout : null
}

/** A channel for people, who count from 1. */
export function channelAt(index: number): string {
  return `channel ${index + 1}`
}
