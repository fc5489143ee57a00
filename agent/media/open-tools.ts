import { ensureModel, type PullOptions } from '../models/models.ts'
import { ffmpegFor } from '../models/programs.ts'
import { findTools, type ToolSearch } from './find-ffmpeg.ts'
import { findSandbox, type MediaTools, type SandboxKind } from './sandbox.ts'

export interface ToolSettings {
  ffmpeg: string | null
  sandbox: SandboxKind
}

/**
 * Finds or fetches ffmpeg and ffprobe, and a sandbox.
 * @throws {AppError} `engine_missing`, `usage`; the signal's reason.
 */
export async function openTools(
  { ffmpeg, sandbox }: ToolSettings,
  options: PullOptions,
): Promise<MediaTools> {
  const { signal } = options
  const tools = await findTools({ explicit: ffmpeg, fetched: fetchedTools(options), signal })
  const commands = [tools.ffmpeg, tools.ffprobe].map((file) => ({ file, args: ['-version'] }))
  return { ...tools, ...(await findSandbox(sandbox, commands, signal)) }
}

export function fetchedTools(options: PullOptions): ToolSearch['fetched'] {
  const model = ffmpegFor()
  return model === null ? null : () => ensureModel(model.name, options)
}
