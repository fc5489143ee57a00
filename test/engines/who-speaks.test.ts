import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import path from 'node:path'
import { after, before, describe, it } from 'node:test'
import type { Browser } from 'playwright-core'
import { RATE } from '../../shared/wav-header.ts'
import { joinWavs } from '../../agent/audio/wav-write.ts'
import type { Turn } from '../../agent/diarization/turns.ts'
import { wavOf } from '../../scripts/bench/clips.ts'
import { meetings, voicesOf, type Voice } from '../../scripts/bench/diarization/voices.ts'
import { speakerModels } from '../../scripts/engines/speaker-models.ts'
import { startCoordinator, type RunningCoordinator } from '../../scripts/processes.ts'
import { ffmpeg, testTools } from '../agent/fixtures.ts'
import { tempFolder } from '../shared/temp-folder.ts'
import { inTab, launch, skip } from '../browser/browser.ts'
import { startAgent, TestClient } from '../conversion-set-up.ts'
import { realEngines } from './real-engines.ts'

const folder = tempFolder()
const options = { signal: new AbortController().signal }
const at = (name: string): string => path.join(folder, name)

interface Recording {
  file: string
  /** Who speaks when. */
  turns: Turn[]
}

interface Said {
  start: number
  end: number
  text: string
  speaker?: string
}

/** Stretches of these people in turn, whole sentences where they are, with a pause after each. */
async function inTurn(order: readonly Voice[], name: string): Promise<Recording> {
  const pause = 0.5
  const files: string[] = []
  const turns: Turn[] = []
  const counts = new Map<Voice, number>()
  let seconds = 0
  for (const [i, voice] of order.entries()) {
    const fitting = voice.stretches.filter(({ length }) => length > 2 * RATE)
    const count = counts.get(voice) ?? 0
    counts.set(voice, count + 1)
    const stretch = fitting[count % fitting.length]!
    const file = at(`${name}-${i}.wav`)
    await writeFile(file, wavOf(atOneLoudness(stretch)))
    files.push(file)
    const end = seconds + stretch.length / RATE
    turns.push({ start: seconds, end, speaker: voice.name })
    seconds = end + pause
  }
  const file = at(`${name}.wav`)
  await joinWavs(files, file, options.signal, pause * RATE)
  return { file, turns }
}

function atOneLoudness(stretch: Float32Array): Float32Array {
  const level = Math.sqrt(stretch.reduce((sum, one) => sum + one * one, 0) / stretch.length)
  return stretch.map((one) => (one * 0.07) / level)
}

/** Two people in turn, each on a channel. */
async function call(left: Voice, right: Voice): Promise<Recording> {
  const { file, turns } = await inTurn([left, right, left, right, left, right], 'call-mono')
  const onlyOf = ({ name }: Voice): string => {
    const others = turns.filter(({ speaker }) => speaker !== name)
    const times = others.map(({ start, end }) => `between(t,${start},${end})`).join('+')
    return `volume=0:enable='${times}'`
  }
  const sides = `[0:a]asplit[a][b];[a]${onlyOf(left)}[l];[b]${onlyOf(right)}[r]`
  const graph = `${sides};[l][r]join=inputs=2:channel_layout=stereo`
  return { file: await ffmpeg`-i ${file} -filter_complex ${graph} ${at('call.wav')}`, turns }
}

/** Two people of one meeting, as they spoke: two excerpts of half a minute, with overlaps. */
async function interview(): Promise<Recording> {
  const { ffmpeg: program } = await testTools()
  const all = await meetings(program, options)
  const parts = all.filter(({ name }) => ['dev00', 'dev01'].includes(name))
  const file = at('interview.wav')
  await joinWavs(
    parts.map(({ wavPath }) => wavPath),
    file,
    options.signal,
    0,
  )
  const turns = parts.flatMap((part, i) =>
    part.turns.map(({ start, end, speaker }) => ({
      start: start + i * 30,
      end: end + i * 30,
      speaker,
    })),
  )
  return { file, turns }
}

/** Who speaks most of a sentence, then others who speak half of it at least, at the same time. */
function speakersOf(turns: readonly Turn[], { start, end }: Said): string[] {
  const seconds = new Map<string, number>()
  for (const turn of turns) {
    const shared = Math.min(end, turn.end) - Math.max(start, turn.start)
    if (shared > 0) seconds.set(turn.speaker, (seconds.get(turn.speaker) ?? 0) + shared)
  }
  return [...seconds]
    .toSorted(([, a], [, b]) => b - a)
    .filter(([, spoken], i) => i === 0 || spoken >= (end - start) / 2)
    .map(([speaker]) => speaker)
}

function isUnderItsName(turn: Turn, segments: readonly Said[]): boolean {
  let [own, others] = [0, 0]
  for (const { start, end, speaker } of segments) {
    const shared = Math.max(0, Math.min(end, turn.end) - Math.max(start, turn.start))
    if (speaker?.startsWith(turn.speaker)) own += shared
    else others += shared
  }
  return own > others
}

function textOfTurn({ speaker, start, end }: Turn): string {
  return `${speaker} ${start.toFixed(1)}-${end.toFixed(1)}`
}

/** By label, the person who says most of what it has. */
function peopleOf(segments: readonly Said[], turns: readonly Turn[]): Map<string, string> {
  const labels = [...new Set(segments.flatMap(({ speaker }) => speaker ?? []))]
  return new Map(
    labels.map((label) => {
      const own = segments.filter(({ speaker }) => speaker === label)
      const seconds = new Map<string, number>()
      for (const one of own) {
        const [person] = speakersOf(turns, one)
        if (person !== undefined)
          seconds.set(person, (seconds.get(person) ?? 0) + one.end - one.start)
      }
      return [label, [...seconds].toSorted(([, a], [, b]) => b - a)[0]?.[0] ?? '?']
    }),
  )
}

describe('who speaks, seen on the dashboard', { skip }, () => {
  let coordinator: RunningCoordinator
  let browser: Browser
  let agent: ReturnType<typeof startAgent>
  let voices: Map<string, Voice>

  before(async () => {
    const { ffmpeg: program } = await testTools()
    voices = await voicesOf(await meetings(program, options), program, options)
    const { segmentation, embedding } = await speakerModels(options)
    const engine = (await realEngines()).find(({ title }) => title === 'faster-whisper')!
    coordinator = await startCoordinator(at('data'), folder)
    browser = await launch()
    const models = ['--speaker-segmentation', segmentation, '--speaker-embedding', embedding]
    agent = startAgent(coordinator.url, folder, 'diarizer', ...engine.flags, ...models)
  })
  after(async () => {
    await browser.close()
    for (const one of [agent, coordinator]) {
      one.signal('SIGTERM')
      await one.ended
    }
  })

  /**
   * Transcribes a recording, names the people on the dashboard, and takes a picture.
   * @returns the sentences, those that have another's name, and the turns that are not, or mostly under another's.
   */
  async function seen(
    { file, turns }: Recording,
    name: string,
    taskOptions: object,
  ): Promise<{ all: Said[]; wrong: string[]; speakers: number; misnamed: string[] }> {
    const client = new TestClient(coordinator.url)
    const jobId = await client.upload(file, 'audio', taskOptions)
    const { status, error_message } = await client.ended(jobId)
    assert.equal(status, 'completed', error_message ?? '')
    const named = peopleOf((await client.result(jobId)).metadata.segments, turns)
    const hash = `#/jobs/${jobId}`
    await inTab(browser, { url: coordinator.url, hash }, async ({ page, picture }) => {
      await page.locator('.line').first().waitFor()
      for (const [label, person] of named) {
        await page.locator('button.speaker', { hasText: label }).first().click()
        await page.getByLabel(`Name of ${label}`).fill(`${person} (${label})`)
        await page.keyboard.press('Enter')
        await page.getByText(`${label} is ${person} (${label}).`).waitFor()
      }
      await page.reload()
      await page.locator('.waveform .peaks[d^="M"]').waitFor({ state: 'attached' })
      await page.locator('.lines').evaluate((list: { style: { maxHeight: string } }) => {
        list.style.maxHeight = 'none'
      })
      await picture(`who-speaks-${name}`)
    })
    const { segments } = (await client.result(jobId)).metadata
    const wrong = segments.filter((one) => {
      const people = speakersOf(turns, one)
      return people.length > 0 && !people.some((person) => one.speaker?.startsWith(person))
    })
    return {
      all: segments,
      wrong: wrong.map(
        (one) => `${one.start} ${one.speaker}: ${one.text} (${speakersOf(turns, one).join()})`,
      ),
      speakers: named.size,
      misnamed: turns.filter((turn) => !isUnderItsName(turn, segments)).map(textOfTurn),
    }
  }

  it('a call: each side by its channel, under the name of its job', async () => {
    const recording = await call(voices.get('Allison')!, voices.get('austen')!)
    const names = { speaker_names: ['agent', 'customer'] }
    const { wrong, misnamed } = await seen(recording, 'call', names)
    assert.deepEqual([wrong, misnamed], [[], []])
  })

  it('an interview: two people at one microphone', async () => {
    const { all, wrong, speakers } = await seen(await interview(), 'interview', { diarize: true })
    console.log(`interview: ${speakers} speakers, ${wrong.length} of ${all.length} wrong`, wrong)
    assert.equal(speakers, 2)
    assert.ok(wrong.length <= all.length * 0.2, wrong.join('\n'))
  })

  it('a panel of four', async () => {
    const [a, b, c, d] = ['Allison', 'MEE009', 'austen', 'FEE078'].map((one) => voices.get(one)!)
    const order = [a, b, c, d, b, a, d, c, a, c, b, d].map((one) => one!)
    const recording = await inTurn(order, 'panel')
    const { all, wrong, misnamed, speakers } = await seen(recording, 'panel', { diarize: true })
    console.log(
      `panel: ${speakers} speakers, ${wrong.length} of ${all.length} wrong`,
      wrong,
      misnamed,
    )
    assert.equal(speakers, 4)
    assert.ok(wrong.length <= all.length * 0.1, wrong.join('\n'))
    // A sentence of three seconds may be taken for the end of the one before.
    assert.ok(misnamed.length <= 1, misnamed.join('\n'))
  })
})
