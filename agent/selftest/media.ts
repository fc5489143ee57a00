import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { AppError } from '../../shared/errors.ts'
import { timeoutSignal } from '../../shared/timers.ts'
import { runChild } from '../process/run-child.ts'
import { decode, probe } from '../media/media.ts'
import type { MediaSettings } from '../settings/media-settings.ts'
import { openTools } from '../media/open-tools.ts'
import type { MediaTools } from '../media/sandbox.ts'
import { ageProblem, toolsText } from '../media/tools-text.ts'
import { readWavHeader } from '../audio/wav.ts'
import { createVoiceDetector, NO_VAD } from '../transcription/voice-detector.ts'
import { expect, type Group } from './check.ts'
import { CLIPS } from './clips.ts'

/** Not random: a demuxer takes some random bytes for its own format. */
const NO_MEDIA = Buffer.from(Array.from({ length: 100_000 }, (_, at) => (at * 7919) % 251))

const FIX = 'Use another ffmpeg (--ffmpeg): this one lacks what every transcription needs.'
const DAMAGED = 'Check for a damaged model: morag-agent models verify'
const clip = CLIPS[0]

/** ffmpeg arguments that make the same speech in other formats. */
const FORMATS: Record<string, string> = {
  'a WAV file': '-c:a pcm_s16le clip.wav',
  'an MP3 file': '-c:a libmp3lame clip.mp3',
  'an MP4 video': '-f lavfi -i color=size=64x64:rate=5 -shortest -c:v mpeg4 -c:a aac clip.mp4',
}

export function mediaGroup(
  settings: Pick<MediaSettings, 'ffmpeg' | 'sandbox' | 'modelsDir' | 'engineSettings'>,
  report: (text: string) => void,
): Group {
  let tools: MediaTools
  let folder: string | null = null
  const signal = timeoutSignal(120_000)
  const { source } = settings.engineSettings
  const options = {
    dir: settings.modelsDir,
    signal,
    onProgress: report,
    ...(source === undefined ? {} : { source }),
  }
  return {
    name: 'media',
    checks: [
      {
        name: 'ffmpeg is installed',
        async run() {
          tools = await openTools(settings, options)
          folder = await mkdtemp(path.join(tmpdir(), 'morag-selftest-'))
          return toolsText(tools)
        },
      },
      {
        name: 'it has the fixes of the last three years',
        apart: true,
        run() {
          const old = ageProblem(tools, new Date().getFullYear())
          if (old !== null) expect(false, old.text, old.fix)
          return Promise.resolve(tools.year === null ? 'its year is unknown' : `of ${tools.year}`)
        },
      },
      ...Object.entries(FORMATS).map(([name, line]) => ({
        name: `${name} becomes 16 kHz mono`,
        async run() {
          const args = line.split(' ')
          const file = path.join(folder!, args.pop()!)
          const input = ['-v', 'error', '-y', '-i', clip.file]
          const made = await runChild(tools.ffmpeg, [...input, ...args, file], {
            signal,
          })
          expect(made.exitCode === 0, `ffmpeg could not make it: ${made.stderrTail.trim()}`, FIX)
          const { audio } = await probe(tools, file, { signal })
          const [track] = audio
          expect(track !== undefined, 'no audio track was found in it', FIX)
          const wav = `${file}.16k.wav`
          await decode(tools, file, track.index, wav, { signal, onProgress() {} })
          const { durationSeconds } = await readWavHeader(wav)
          const right = Math.abs(durationSeconds - 11) < 0.5
          expect(right, `it is ${durationSeconds.toFixed(1)} s long instead of 11`, FIX)
          return `${track.codec}, ${durationSeconds.toFixed(1)} s`
        },
      })),
      {
        name: 'a broken file is refused',
        async run() {
          const file = path.join(folder!, 'broken.mp3')
          await writeFile(file, NO_MEDIA)
          const code = await probe(tools, file, { signal }).then(
            () => null,
            (error: unknown) => (error instanceof AppError ? error.code : String(error)),
          )
          expect(code === 'invalid_media', `it was reported as ${code ?? 'fine'}`, FIX)
          return 'invalid_media'
        },
      },
      {
        name: 'the VAD distinguishes speech from noise',
        async run() {
          const vad = createVoiceDetector(options)
          expect(vad.method === 'silero', NO_VAD.text, NO_VAD.fix)
          const speech = await vad.find(clip.file, { signal })
          const seconds = speech.reduce((sum, { start, end }) => sum + end - start, 0)
          expect(seconds > 5, `${seconds.toFixed(1)} s of speech were found in 11 s`, DAMAGED)
          return `${seconds.toFixed(1)} s of speech in 11 s`
        },
      },
    ],
    async after() {
      if (folder !== null) await rm(folder, { recursive: true, force: true })
    },
  }
}
