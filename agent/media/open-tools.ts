import { ensureModel, type PullOptions } from '../models/models.ts'
import { ffmpegFor } from '../models/programs.ts'
import { findTools, type ToolSearch } from './ffmpeg.ts'
import { findSandbox, type MediaTools, type SandboxKind } from './sandbox.ts'

/** What is wanted of them. */
export interface ToolSettings {
  /** A path or a name to use instead of looking for one. */
  ffmpeg: string | null
  sandbox: SandboxKind
}

/**
 * ffmpeg and ffprobe, found or fetched, and locked into what there is for that.
 * @throws {AppError} `engine_missing`, `usage`; the signal's reason.
 */
export async function openTools(
  { ffmpeg, sandbox }: ToolSettings,
  options: PullOptions,
): Promise<MediaTools> {
  const { signal } = options
  const tools = await findTools({ explicit: ffmpeg, fetched: fetchedTools(options), signal })
  return { ...tools, ...(await findSandbox(sandbox, tools, signal)) }
}

/** Where the tools are that we fetch, for {@link findTools}; they are fetched when that is asked for. */
export function fetchedTools(options: PullOptions): ToolSearch['fetched'] {
  const model = ffmpegFor()
  return model === null ? null : () => ensureModel(model.name, options)
}
