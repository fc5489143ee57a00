import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { chmod, mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { describe, it } from 'node:test'
import { keyFrames } from '../../agent/media/keyframes.ts'
import { AppError } from '../../shared/errors.ts'
import { CLIPS, ffmpeg, makeMute, testTools } from './fixtures.ts'
import { tempFolder } from '../shared/temp-folder.ts'

const folder = tempFolder()
const tools = await testTools()
const signal = new AbortController().signal
const at = (name: string): string => path.join(folder, name)
let count = 0

async function emptyFolder(name = `frames-${count++}`): Promise<string> {
  await mkdir(at(name))
  return at(name)
}

const COLOURS = ['red', 'blue', 'yellow', 'black', 'white', 'black', 'yellow', 'blue']

/** A film of single colours, one every two seconds, each beginning with a picture that stands alone. */
function makeFilm(name: string, scenes: number, size = '320x180'): Promise<string> {
  const inputs = Array.from({ length: scenes }, (_, i) => {
    const colour = COLOURS[i % COLOURS.length]!
    return ['-f', 'lavfi', '-i', `color=${colour}:size=${size}:rate=10:duration=2`]
  }).flat()
  return ffmpeg`${inputs} -filter_complex ${`concat=n=${scenes}`} -c:v libx264 -pix_fmt yuv420p
    -preset ultrafast -g 20 ${at(name)}`
}

/** The size of a JPEG file's picture, and the colour in its middle. */
async function look(file: string): Promise<{ size: string; rgb: number[] }> {
  const bytes = await readFile(file)
  assert.equal(bytes.toString('hex', 0, 3), 'ffd8ff')
  const frame = bytes.indexOf(Buffer.from('ffc0', 'hex'))
  const size = `${bytes.readUInt16BE(frame + 7)}x${bytes.readUInt16BE(frame + 5)}`
  const raw =
    await ffmpeg`-f mjpeg -i ${file} -vf scale=1:1 -pix_fmt rgb24 -f rawvideo ${at(`${count++}.rgb`)}`
  return { size, rgb: [...(await readFile(raw))] }
}

describe('keyFrames', () => {
  it('takes the first picture and the first after each cut', async () => {
    const film = await makeFilm('three.mp4', 3)
    const dir = await emptyFolder()
    assert.deepEqual(await keyFrames(tools, film, { dir, signal, durationSeconds: 6 }), [
      { name: 'frame-000000.0s.jpg', atSeconds: 0 },
      { name: 'frame-000002.0s.jpg', atSeconds: 2 },
      { name: 'frame-000004.0s.jpg', atSeconds: 4 },
    ])
    for (const [name, strong, weak] of [
      ['frame-000000.0s.jpg', [0], [1, 2]],
      ['frame-000002.0s.jpg', [2], [0, 1]],
      ['frame-000004.0s.jpg', [0, 1], [2]],
    ] as const) {
      const { size, rgb } = await look(path.join(dir, name))
      assert.equal(size, '320x180')
      assert.ok(
        strong.every((i) => rgb[i]! > 180) && weak.every((i) => rgb[i]! < 80),
        `${name}: ${rgb.join()}`,
      )
    }
  })

  it('gives the first picture alone of a film without cuts', async () => {
    const mute = await makeMute(folder)
    const frames = await keyFrames(tools, mute, {
      dir: await emptyFolder(),
      signal,
      durationSeconds: 4,
    })
    assert.deepEqual(frames, [{ name: 'frame-000000.0s.jpg', atSeconds: 0 }])
  })

  it('spreads what it may take over a film with more cuts', async () => {
    const film = await makeFilm('eight.mkv', 8)
    const dir = await emptyFolder()
    const options = { dir, signal, durationSeconds: 16 }
    const times = (await keyFrames(tools, film, { ...options, max: 4 })).map(
      ({ atSeconds }) => atSeconds,
    )
    assert.deepEqual(times, [0, 4, 8, 12])
    assert.equal((await readdir(dir)).length, 4)
    const one = await keyFrames(tools, film, { ...options, max: 1 })
    assert.deepEqual(one, [{ name: 'frame-000000.0s.jpg', atSeconds: 0 }])
    assert.deepEqual(await keyFrames(tools, film, { ...options, max: 0 }), [])
  })

  it('looks only at pictures that stand alone in a long film', async () => {
    const film = await makeFilm('long.mp4', 3)
    const dir = await emptyFolder()
    const frames = await keyFrames(tools, film, { dir, signal, durationSeconds: 3 * 3600 })
    assert.deepEqual(
      frames.map(({ atSeconds }) => atSeconds),
      [0, 2, 4],
    )
  })

  it('makes wide pictures smaller, and names files safely wherever they go', async () => {
    const film = await makeFilm('wide.mp4', 1, '1920x816')
    const dir = await emptyFolder('a %03d: b')
    const frames = await keyFrames(tools, film, { dir, signal, durationSeconds: 2 })
    assert.match(frames[0]!.name, /^[A-Za-z0-9_.-]+$/)
    assert.deepEqual(await readdir(dir), [frames[0]!.name])
    assert.equal((await look(path.join(dir, frames[0]!.name))).size, '1280x544')
  })

  it('finds nothing in a recording with a cover', async () => {
    const cover = await ffmpeg`-f lavfi -i color=red:size=64x64 -frames:v 1 ${at('cover.png')}`
    const song = await ffmpeg`-i ${CLIPS.jfk.file} -i ${cover} -map 0:a -map 1:v -c:v copy
      -disposition:v attached_pic ${at('song.mp3')}`
    for (const file of [song, CLIPS.jfk.file]) {
      const dir = await emptyFolder()
      assert.deepEqual(await keyFrames(tools, file, { dir, signal, durationSeconds: 11 }), [])
    }
  })

  it('ends where the times of a film are wild', async () => {
    const wild = await ffmpeg`-f lavfi -i testsrc=size=160x120:rate=10 -t 4
      -vf ${'setpts=PTS+gte(N/20\\,1)*100000000/TB'} -c:v mpeg4 ${at('wild.mkv')}`
    const dir = await emptyFolder()
    const frames = await keyFrames(tools, wild, { dir, signal, durationSeconds: 4 })
    assert.equal(frames[0]?.atSeconds, 0)
  })

  it('calls what is no film invalid_media, and never follows a playlist', async () => {
    const film = await makeFilm('bait.mp4', 1)
    const list = at('list.mp4')
    await writeFile(
      list,
      `#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\n${film}\n#EXT-X-ENDLIST\n`,
    )
    await writeFile(at('noise.mp4'), Buffer.alloc(10_000, 7))
    for (const file of [list, at('noise.mp4')]) {
      const dir = await emptyFolder()
      await assert.rejects(
        keyFrames(tools, file, { dir, signal, durationSeconds: 2 }),
        (error: AppError) => error.code === 'invalid_media',
      )
      assert.deepEqual(await readdir(dir), [])
    }
  })

  it('speaks to an ffmpeg that has forgotten the old name of an option', async () => {
    // A stand-in that refuses it as new ones do, and knows the new name whatever this machine's ffmpeg knows.
    const script = `#!/bin/bash
args=()
for arg in "$@"; do
  if [ "$arg" = -vsync ]; then echo "Unrecognized option 'vsync'." >&2; exit 8; fi
  args+=("$arg")
done
if ! "${tools.ffmpeg}" -hide_banner -h full 2>/dev/null | grep -q '^-fps_mode'; then
  args=("\${args[@]/#-fps_mode/-vsync}")
fi
exec "${tools.ffmpeg}" "\${args[@]}"
`
    const program = at('ffmpeg-new')
    await writeFile(program, script)
    await chmod(program, 0o755)
    const film = await makeFilm('options.mp4', 2)
    const options = { dir: await emptyFolder(), signal, durationSeconds: 4 }
    assert.equal((await keyFrames({ ...tools, ffmpeg: program }, film, options)).length, 2)
  })

  it('stops with the reason of the signal', async () => {
    const controller = new AbortController()
    const reason = new AppError('cancelled', 'enough')
    const film = await makeFilm('stopped.mp4', 4)
    const dir = await emptyFolder()
    const stopped = keyFrames(tools, film, { dir, signal: controller.signal, durationSeconds: 8 })
    controller.abort(reason)
    await assert.rejects(stopped, (error) => error === reason)
    assert.ok(existsSync(dir))
  })
})
