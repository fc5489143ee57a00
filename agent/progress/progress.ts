/** Where an attempt is, in the order in which it goes through them: it is `transcribing` or `converting`. */
export const STAGES = [
  'downloading',
  'probing',
  'decoding',
  'listening',
  'waiting',
  'loading',
  'transcribing',
  'converting',
  'rendering',
  'uploading',
] as const
export type Stage = (typeof STAGES)[number]
/** Those of a job that has its slot. */
export const STAGES_WITH_SLOT: readonly Stage[] = ['loading', 'transcribing', 'converting']

/** What a conversion says of itself while it runs. */
export interface Progress {
  stage: Stage
  /** Of the whole attempt, 0 to 1; never goes back. */
  ratio: number
  /** How long the recording is, once known. */
  mediaSeconds?: number
  /** How much of it has been recognised. */
  processedSeconds?: number
}

export type Report = (progress: Progress) => void

/**
 * The share of the whole that is done when a stage begins and when it ends: measured on the embedded engine, download
 * apart.
 */
const SHARES: Record<Stage, readonly [from: number, to: number]> = {
  downloading: [0, 0.1],
  probing: [0.1, 0.11],
  decoding: [0.11, 0.13],
  listening: [0.13, 0.15],
  waiting: [0.15, 0.15],
  loading: [0.15, 0.16],
  transcribing: [0.16, 0.97],
  converting: [0.16, 0.97],
  rendering: [0.97, 0.98],
  uploading: [0.98, 1],
}

/** The whole attempt's ratio when a stage is `within` (0 to 1) through. */
export function overall(stage: Stage, within: number): number {
  const [from, to] = SHARES[stage]
  return from + (to - from) * Math.min(1, Math.max(0, within))
}

/** Progress that never goes back, whatever the tools say of theirs. */
export function forwardOnly(report: Report): Report {
  let reached = 0
  return (progress) => {
    reached = Math.max(reached, progress.ratio)
    report({ ...progress, ratio: reached })
  }
}
