/** The stages of an attempt, in order; it is either `transcribing` (then perhaps `diarizing`) or `converting`. */
export const STAGES = [
  'downloading',
  'probing',
  'decoding',
  'listening',
  'waiting',
  'loading',
  'transcribing',
  'diarizing',
  'converting',
  'rendering',
  'uploading',
] as const
export type Stage = (typeof STAGES)[number]
export const STAGES_WITH_SLOT: readonly Stage[] = ['loading', 'transcribing', 'converting']

export interface Progress {
  stage: Stage
  /** Of the whole attempt, 0 to 1; never decreases. */
  ratio: number
  mediaSeconds?: number
  processedSeconds?: number
}

export type Report = (progress: Progress) => void

/** The overall ratio at the beginning and the end of each stage; measured with the bundled engine, but for the download. */
const SHARES: Record<Stage, readonly [from: number, to: number]> = {
  downloading: [0, 0.1],
  probing: [0.1, 0.11],
  decoding: [0.11, 0.13],
  listening: [0.13, 0.15],
  waiting: [0.15, 0.15],
  loading: [0.15, 0.16],
  transcribing: [0.16, 0.94],
  diarizing: [0.94, 0.97],
  converting: [0.16, 0.97],
  rendering: [0.97, 0.98],
  uploading: [0.98, 1],
}

/** The whole attempt's ratio when a stage is `within` (0 to 1) through. */
export function overall(stage: Stage, within: number): number {
  const [from, to] = SHARES[stage]
  return from + (to - from) * Math.min(1, Math.max(0, within))
}

/** Keeps the ratio from decreasing, whatever tools report. */
export function forwardOnly(report: Report): Report {
  let reached = 0
  return (progress) => {
    reached = Math.max(reached, progress.ratio)
    report({ ...progress, ratio: reached })
  }
}
