/** Where an attempt is, in the order in which it goes through them. */
export const STAGES = [
  'downloading',
  'probing',
  'decoding',
  'listening',
  'waiting',
  'loading',
  'transcribing',
  'rendering',
  'uploading',
] as const
export type Stage = (typeof STAGES)[number]

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

/** The share of the whole that is done when a stage begins: measured on the embedded engine, download apart. */
const STARTS: Record<Stage, number> = {
  downloading: 0,
  probing: 0.1,
  decoding: 0.11,
  listening: 0.13,
  waiting: 0.15,
  loading: 0.15,
  transcribing: 0.16,
  rendering: 0.97,
  uploading: 0.98,
}

/** The whole attempt's ratio when a stage is `within` (0 to 1) through. */
export function overall(stage: Stage, within: number): number {
  const next = STAGES[STAGES.indexOf(stage) + 1]
  const from = STARTS[stage]
  const to = next === undefined ? 1 : STARTS[next]
  return from + (to - from) * Math.min(1, Math.max(0, within))
}
