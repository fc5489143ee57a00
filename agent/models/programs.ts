import { FFMPEG_FILES, FFMPEG_VERSION } from './ffmpeg-wheels.ts'
import type { WheelModel } from './model.ts'

/**
 * ffmpeg and ffprobe for a machine: ffmpeg as imageio ships it, with all that it can read, and ffprobe as the Shaka
 * project builds it, which has no other home. Null: nobody builds them for it.
 * @param machine platform and processor, as Node names them, and which libc where it is not the usual one: `linux-x64`,
 * `linux-x64-musl`.
 */
export function ffmpegFor(machine = THIS_MACHINE): WheelModel | null {
  const files = FFMPEG_FILES[machine]
  if (files === undefined) return null
  return {
    name: 'ffmpeg',
    kind: 'wheel',
    description: `ffmpeg ${FFMPEG_VERSION} and its ffprobe: read every recording`,
    license: 'GPL-3.0-or-later',
    bytes: files.reduce((sum, { bytes }) => sum + bytes, 0),
    suggested: true,
    files,
  }
}

const MACHINE = `${process.platform}-${process.arch}`
// Once, and early: Node's report looks up the names of all open connections.
const THIS_MACHINE = process.platform === 'linux' && !hasGlibc() ? `${MACHINE}-musl` : MACHINE

/** Node tells which glibc it runs with, where it is one. */
function hasGlibc(): boolean {
  const report = process.report.getReport() as { header?: { glibcVersionRuntime?: string } }
  return report.header?.glibcVersionRuntime !== undefined
}
