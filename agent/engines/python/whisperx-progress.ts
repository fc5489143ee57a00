const STAGE = /Performing (transcription|alignment|diarization)\.\.\./
const PERCENT = /^Progress: ([\d.]+)%/

/** Shares of the whole. */
type Span = readonly [from: number, to: number]

/**
 * Seconds of the piece that are done, by the lines that whisperx prints: 0 to 100 percent in each stage, and nothing
 * during the diarization. Null for other lines.
 */
export function whisperxProgress(
  { align, diarize }: { align: boolean; diarize: boolean },
  durationSeconds: number,
): (line: string) => number | null {
  // Rough shares of the time on a GPU.
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
