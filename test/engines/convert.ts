import { randomUUID } from 'node:crypto'
import { mkdtemp } from 'node:fs/promises'
import path from 'node:path'
import type { Toolchain } from '../../agent/toolchain.ts'
import type { Progress } from '../../agent/progress/progress.ts'
import type { Converted } from '../../agent/work/pipeline.ts'

interface Result {
  converted: Converted
  progress: Progress[]
  /** How many parts were finished. */
  parts: number
}

export type Convert = (
  toolchain: Toolchain,
  file: string,
  taskOptions?: Record<string, unknown>,
) => Promise<Result>

/** Does jobs with a toolchain; their folders are made in `folder`. */
export function converter(folder: string): Convert {
  return async (toolchain, file, taskOptions = {}) => {
    const progress: Progress[] = []
    let parts = 0
    const converted = await toolchain.pipeline.convert({
      jobId: randomUUID(),
      sourcePath: file,
      filename: path.basename(file),
      contentType: 'audio',
      taskOptions,
      workDir: await mkdtemp(path.join(folder, 'work-')),
      sha256: 'abc',
      onCheckpoint: () => void (parts += 1),
      signal: new AbortController().signal,
      report: (one) => void progress.push(one),
    })
    return { converted, progress, parts }
  }
}

export function textOf(segments: readonly { text: string }[]): string {
  return segments.map(({ text }) => text).join(' ')
}
