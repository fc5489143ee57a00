import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { openToolchain, type Toolchain } from '../toolchain.ts'
import type { MediaSettings } from '../settings/media-settings.ts'
import { wordErrors } from '../wer.ts'
import { memoryUsed, MemoryWatch } from '../gpu/memory-watch.ts'
import { planSlots } from '../gpu/slot-plan.ts'
import type { Slot } from '../gpu/slots.ts'
import { expect, type Group } from './check.ts'
import { CLIPS } from './clips.ts'
import { checkGpuUse } from './gpu-use.ts'
import { timeoutSignal } from '../../shared/timers.ts'

export function engineGroup(settings: MediaSettings, report: (text: string) => void): Group {
  let toolchain: Toolchain | null = null
  let workDir: string | null = null
  let slots: Slot[] = []
  let memory: MemoryWatch | null = null
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
          slots = planSlots({ ...settings, devices: toolchain.devices })
          // Before the model is loaded, which some engines do only once.
          if (slots.some(({ gpu, kind }) => gpu !== null && kind === 'cuda'))
            memory = await MemoryWatch.start(() => memoryUsed())
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
      {
        name: 'the GPU is used',
        async run() {
          const { choice, devices } = toolchain!
          const { url, command } = settings.engineSettings
          const { info } = choice.engine
          const rises = (await memory?.stop()) ?? new Map<number, number>()
          memory = null
          return checkGpuUse({
            info,
            devices,
            slots,
            server: info.name === 'openai-api' && command === null ? url : null,
            rises,
          })
        },
      },
    ],
    async after() {
      await memory?.stop()
      await toolchain?.close()
      if (workDir !== null) await rm(workDir, { recursive: true, force: true })
    },
  }
}
