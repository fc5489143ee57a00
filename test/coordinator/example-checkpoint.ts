import { checkpointOf } from '../../agent/transcription/checkpoint.ts'
import { TranscriptDraft } from '../../agent/transcription/transcript-draft.ts'

const mix = { weights: null, layout: null, gain: 0 }

interface Voice {
  channel: number | null
  speech: { start: number; end: number }[]
  doneUntil: number
}

/** As our agent makes it. */
export function checkpoint(
  texts: readonly string[],
  voices: readonly Voice[] = [
    { channel: null, speech: [{ start: 0, end: 60 }], doneUntil: texts.length * 5 },
  ],
): Record<string, unknown> {
  const segments = texts.map((text, i) => ({
    start: i * 5,
    end: i * 5 + 5,
    text,
    ...(voices.length > 1 && { speaker: `channel ${i % 2}` }),
  }))
  const draft = new TranscriptDraft({ decided: { language: 'en', probability: 1 }, segments })
  const ahead = {
    channel: null,
    verdict: 'known',
    start: 50,
    end: 60,
    language: 'en',
    seconds: 10,
    segments: [{ start: 50, end: 60, text: 'Too early.' }],
    dropped: 0,
    warnings: [],
  } as const
  return checkpointOf(
    {
      source: 'x',
      options: 'y',
      engine: { name: 'e', model: 'm', device: 'cpu', version: '1' },
      track: 0,
    },
    {
      voices: voices.map((one) => ({ ...one, mix, wavPath: '' })),
      wavPath: '',
      offsetSeconds: 0,
      seconds: 60,
      vadMethod: 'silero',
      resumed: false,
    },
    draft,
    [ahead],
  ) as unknown as Record<string, unknown>
}
