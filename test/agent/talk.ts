import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import path from 'node:path'
import type { Engine, Recognised, TranscribeRequest } from '../../agent/engines/engine.ts'
import { OpenaiEngine } from '../../agent/engines/openai-api/engine.ts'
import { engineSettings, requestFor } from './engine-request.ts'
import { sentencesOf, speechOf, spokenScript, wavOf } from './replay/spoken-words.ts'

/** Speech that stand-ins of servers understand. */
export const SECONDS = 140
export const script = spokenScript(SECONDS)
export const WHISPER = 'openai/whisper-large-v3'

/** Requests for the talk, in a folder. */
export async function talkIn(folder: string) {
  const wavPath = path.join(folder, 'talk.wav')
  const speech = speechOf(script)
  await writeFile(wavPath, wavOf(script, SECONDS))
  const request = async (more: Partial<TranscribeRequest> = {}): Promise<TranscribeRequest> =>
    await requestFor(folder, { wavPath, durationSeconds: SECONDS, speech, ...more })
  /** An engine that does not wait a second for a busy server. */
  const engineAt = (url: string, model = WHISPER, concurrency = 4): Engine => {
    const settings = { ...engineSettings(folder), url, concurrency }
    const info = { name: 'openai-api', model, device: 'x', version: 'x' }
    return new OpenaiEngine(settings, info, [], { minMs: 1 })
  }
  return { wavPath, speech, request, engineAt }
}

/** Fails where a word is lost, doubled or out of order, or a sentence is 0.3 s off. */
export function assertTrue({ segments }: Recognised): void {
  const truth = sentencesOf(script)
  assert.deepEqual(
    segments.map(({ text }) => text),
    truth.map(({ text }) => text),
  )
  const off = segments.flatMap(({ start, end }, i) => [
    start - truth[i]!.start,
    end - truth[i]!.end,
  ])
  const worst = off.reduce((most, one) => Math.max(most, Math.abs(one)), 0)
  assert.ok(worst <= 0.3, `${worst} s off`)
}
