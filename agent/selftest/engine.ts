import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { openToolchain, type Toolchain } from '../toolchain.ts'
import type { MediaSettings } from '../settings/media-settings.ts'
import { wordErrors } from '../wer.ts'
import { expect, type Group } from './check.ts'
import { CLIPS } from './clips.ts'
import { timeoutSignal } from '../../shared/timers.ts'

export function engineGroup(settings: MediaSettings, report: (text: string) => void): Group {
  let toolchain: Toolchain | null = null
  let workDir: string | null = null
  const signal = timeoutSignal(30 * 60_000)
  return {
    name: 'engine',
    checks: [
      {
        name: 'the engine starts',
        async run() {
          toolchain = await openToolchain(settings, {
            signal,
            report: (level, text) => void (level !== 'debug' && report(text)),
          })
          workDir = await mkdtemp(path.join(tmpdir(), 'morag-selftest-'))
          await toolchain.prepare(signal)
          const { engine, why, better } = toolchain.choice
          const { info } = engine
          const words = better === null ? why : `${why} ${better}`
          return `${info.name} ${info.version}, ${info.model}, ${info.device}. ${words}`
        },
      },
      ...CLIPS.map((clip) => ({
        name: `${clip.name} becomes its words`,
        async run() {
          const from = performance.now()
          const { transcript } = await toolchain!.pipeline.convert({
            jobId: clip.name,
            sourcePath: clip.file,
            filename: clip.name,
            contentType: 'audio',
            taskOptions: {},
            workDir: workDir!,
            signal,
            report() {},
          })
          const seconds = (performance.now() - from) / 1000
          const text = transcript.segments.map((segment) => segment.text).join(' ')
          const { errors, words } = wordErrors(clip.text, text)
          const fix = `The text was “${text}”. Check for a damaged model: morag-agent models verify`
          expect(errors <= clip.allowed, `${errors} of ${words} words are wrong`, fix)
          const speed = transcript.durationSeconds / seconds
          return `${errors} of ${words} words wrong, ${speed.toFixed(1)}× real time`
        },
      })),
    ],
    async after() {
      await toolchain?.close()
      if (workDir !== null) await rm(workDir, { recursive: true, force: true })
    },
  }
}
