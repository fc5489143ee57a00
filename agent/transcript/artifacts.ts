import { mkdir, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { messageOf } from '../../shared/errors.ts'
import {
  ENDINGS,
  renderForm,
  type Converted,
  type Form,
  type RenderOptions,
} from '../../shared/forms.ts'
import type { Tools } from '../media/find-ffmpeg.ts'
import type { JobOptions } from '../job-options.ts'
import { keyFrames } from '../media/keyframes.ts'
import type { MediaInfo } from '../media/media-info.ts'

export interface Artifact {
  /** Safe in a URL and as a file's name. */
  name: string
  file: string
  kind: 'keyframe' | 'transcript'
  atSeconds?: number
  form?: Form
}

export function artifactFolder(workDir: string): string {
  return path.join(workDir, 'artifacts')
}

/** The key frames that a job asks for. A failure becomes a warning. */
export async function keyFrameArtifacts(
  tools: Tools,
  { sourcePath, workDir, signal }: { sourcePath: string; workDir: string; signal: AbortSignal },
  media: MediaInfo,
  options: JobOptions,
): Promise<{ artifacts: Artifact[]; warnings: string[] }> {
  const max = options.keyframes ?? 0
  if (max === 0) return { artifacts: [], warnings: [] }
  if (media.video === null) {
    const warning = 'The file has no video to take key frames from.'
    return { artifacts: [], warnings: [warning] }
  }
  const dir = artifactFolder(workDir)
  try {
    await mkdir(dir, { recursive: true })
    const { durationSeconds } = media
    const frames = await keyFrames(tools, sourcePath, { max, dir, signal, durationSeconds })
    const artifacts = frames.map(({ name, atSeconds }): Artifact => ({
      name,
      file: path.join(dir, name),
      kind: 'keyframe',
      atSeconds,
    }))
    return { artifacts, warnings: [] }
  } catch (error) {
    signal.throwIfAborted()
    return { artifacts: [], warnings: [`Key frames could not be extracted: ${messageOf(error)}`] }
  }
}

/** The forms of the transcript that a job asks for; {@link writeForms} writes them. */
export function formArtifacts(workDir: string, { formats }: JobOptions): Artifact[] {
  return formats.map((form) => {
    const name = `transcript.${ENDINGS[form]}`
    return { name, file: path.join(artifactFolder(workDir), name), kind: 'transcript', form }
  })
}

export async function writeForms(
  artifacts: readonly Artifact[],
  converted: Converted,
  options: RenderOptions,
): Promise<void> {
  for (const { form, file } of artifacts) {
    if (form === undefined) continue
    await mkdir(path.dirname(file), { recursive: true })
    await writeFile(file, renderForm(form, converted, options))
  }
}
