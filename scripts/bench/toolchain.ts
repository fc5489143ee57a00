import { mkdir } from 'node:fs/promises'
import path from 'node:path'
import { Command } from 'commander'
import { CONVERSION } from '../../agent/settings/conversion-table.ts'
import { mediaSettings, type MediaSettings } from '../../agent/settings/media-settings.ts'
import { openToolchain, type Toolchain } from '../../agent/toolchain.ts'
import { addSettings } from '../../shared/settings.ts'
import type { Transcript } from '../../shared/transcript.ts'

const { signal } = new AbortController()

/** What the agent's command line makes of those flags. */
export function settingsOf(flags: readonly string[]): MediaSettings {
  return mediaSettings(
    addSettings(new Command(), ...CONVERSION)
      .parse(flags, { from: 'user' })
      .opts(),
  )
}

/** The agent's toolchain with those flags; the caller has to close it. */
export async function toolchainWith(flags: readonly string[]): Promise<Toolchain> {
  return await openToolchain(settingsOf(flags), { signal, report: () => undefined })
}

/** A recording as a job, in English unless `taskOptions` say otherwise. @param workDir is made. */
export async function convert(
  { pipeline }: Toolchain,
  sourcePath: string,
  workDir: string,
  taskOptions: Record<string, unknown> = {},
): Promise<Transcript & { text: string }> {
  await mkdir(workDir, { recursive: true })
  const { transcript } = await pipeline.convert({
    jobId: path.basename(workDir),
    sourcePath,
    filename: path.basename(sourcePath),
    contentType: 'audio',
    taskOptions: { language: 'en', ...taskOptions },
    workDir,
    // Each job has its own: twenty at once would be many listeners.
    signal: new AbortController().signal,
    report() {},
  })
  return { ...transcript, text: transcript.segments.map(({ text }) => text).join(' ') }
}
