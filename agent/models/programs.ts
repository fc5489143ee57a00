import { FFMPEG_FILES, FFMPEG_VERSION } from './ffmpeg-wheels.ts'
import type { WheelModel } from './model.ts'

/**
 * imageio's ffmpeg, which reads all formats, and the Shaka project's ffprobe, the only build there is. Null where none
 * is built.
 * @param machine platform and processor as in Node, and the libc where it is musl: `linux-x64`, `linux-x64-musl`.
 */
export function ffmpegFor(machine = THIS_MACHINE): WheelModel | null {
  const own = FFMPEG_FILES[machine]
  if (own === undefined) return null
  const [, ffprobe] = FFMPEG_FILES[machine.replace(/-musl$/, '')] ?? []
  const files = own.length === 1 && ffprobe !== undefined ? [...own, ffprobe] : own
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
// Once, and early: Node's report resolves the names of all open connections.
const THIS_MACHINE = process.platform === 'linux' && !hasGlibc() ? `${MACHINE}-musl` : MACHINE

function hasGlibc(): boolean {
  const report = process.report.getReport() as { header?: { glibcVersionRuntime?: string } }
  return report.header?.glibcVersionRuntime !== undefined
}
