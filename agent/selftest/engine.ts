import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import type { MediaSettings } from '../config.ts'
import { createEngine } from '../engines/registry.ts'
import { findTools } from '../ffmpeg.ts'
import { createPipeline, type Pipeline } from '../pipeline.ts'
import { wordErrors } from '../wer.ts'
import { expect, type Group } from './check.ts'
import { CLIPS } from './clips.ts'

/** Whether speech becomes the right words, and how fast. */
export function engineGroup(
  { engine: name, ffmpeg, modelsDir }: MediaSettings,
  onPull: (text: string) => void,
): Group {
  let pipeline: Pipeline | null = null
  let workDir: string | null = null
  const signal = AbortSignal.timeout(30 * 60_000)
  return {
    name: 'engine',
    checks: [
      {
        name: 'the engine starts',
        async run() {
          const engine = await createEngine(name, { modelsDir, onPull })
          pipeline = createPipeline({ tools: await findTools(ffmpeg), engine })
          workDir = await mkdtemp(path.join(tmpdir(), 'morag-selftest-'))
          await engine.prepare(signal)
          const { info } = engine
          return `${info.name} ${info.version}, ${info.model}, ${info.device}`
        },
      },
      ...CLIPS.map((clip) => ({
        name: `${clip.name} becomes its words`,
        async run() {
          const from = performance.now()
          const { transcript } = await pipeline!.convert({
            sourcePath: clip.file,
            filename: clip.name,
            contentType: 'audio',
            taskOptions: {},
            workDir: workDir!,
            signal,
            report() {},
          })
          const seconds = (performance.now() - from) / 1000
          const heard = transcript.segments.map(({ text }) => text).join(' ')
          const { errors, words } = wordErrors(clip.text, heard)
          const fix = `Look at what was heard: “${heard}”. Pull the model again with: morag-agent models verify`
          expect(errors <= clip.allowed, `${errors} of ${words} words are wrong`, fix)
          const speed = transcript.durationSeconds / seconds
          return `${errors} of ${words} words wrong, ${speed.toFixed(1)}× real time`
        },
      })),
    ],
    async after() {
      await pipeline?.close()
      if (workDir !== null) await rm(workDir, { recursive: true, force: true })
    },
  }
}
