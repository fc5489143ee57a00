const STAGE = /Performing (transcription|alignment|diarization)\.\.\./
const PERCENT = /^Progress: ([\d.]+)%/

/** The share of the whole that a stage begins and ends at. */
type Span = readonly [from: number, to: number]

/**
 * How much is done, in seconds of the piece, by the lines that whisperx prints: it counts from 0 to 100 percent in each
 * of its stages, and not at all while it tells speakers apart. Null for a line that says nothing about it.
 */
export function whisperxProgress(
  { align, diarize }: { align: boolean; diarize: boolean },
  durationSeconds: number,
): (line: string) => number | null {
  // What they take on a GPU, roughly.
  const end = diarize ? 0.8 : 0.99
  const spans: Record<string, Span> = {
    transcription: [0, align ? 0.5 : end],
    alignment: [0.5, end],
    diarization: [end, 0.99],
  }
  let span: Span = [0, 0]
  return (line) => {
    const stage = STAGE.exec(line)?.[1]
    const percent = PERCENT.exec(line)?.[1]
    if (stage !== undefined) span = spans[stage] ?? span
    else if (percent === undefined) return null
    const part = Math.min(1, Number(percent ?? 0) / 100)
    return durationSeconds * (span[0] + (span[1] - span[0]) * part)
  }
}
