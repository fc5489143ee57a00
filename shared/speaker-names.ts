import { z } from 'zod'
import { printable } from './printable.ts'

/** What people call the speakers of a transcript, by their labels (`Speaker_00`). */
export type SpeakerNames = Readonly<Record<string, string>>

/** Names to set; null or an empty text: the label again. */
export const speakersRequest = z
  .record(
    z.string(),
    z
      .string()
      .max(200)
      .nullable()
      .transform((given) => printable(given ?? '')),
  )
  .meta({ id: 'SpeakerNames' })
  .transform((speaker_names) => ({ speaker_names }))

/** `[00:12][Speaker_00] Good morning.` */
const LINE = /^(\[[\d:]+\])\[([^\]\n]+)\]/gm
const LIST = /^(- \*\*Speakers\*\*: )(.+)$/m
const COUNT = /^(- \*\*Num Speakers\*\*: )\d+$/m

/** A name in the Markdown of a transcript; a bracket would end it. */
export function speakerInMarkdown(speaker: string): string {
  return printable(speaker.replaceAll('[', '(').replaceAll(']', ')'))
}

/**
 * A result with names in the place of labels, in its Markdown and its metadata. What is renamed keeps its label as
 * `speaker_label`, and the metadata have all names as `speaker_names`. Two labels may have the same name.
 */
export function withSpeakerNames<R extends { content: string; metadata: Record<string, unknown> }>(
  result: R,
  names: SpeakerNames,
): R {
  if (Object.keys(names).length === 0) return result
  const nameOf = (label: string): string => (Object.hasOwn(names, label) ? names[label]! : label)
  const renamed = (given: unknown): unknown => {
    if (typeof given !== 'object' || given === null) return given
    const { speaker } = given as { speaker?: unknown }
    if (typeof speaker !== 'string' || !Object.hasOwn(names, speaker)) return given
    return { ...given, speaker: names[speaker], speaker_label: speaker }
  }
  const metadata: Record<string, unknown> = { ...result.metadata, speaker_names: names }
  for (const key of ['segments', 'speaker_stats'])
    if (Array.isArray(metadata[key])) metadata[key] = metadata[key].map(renamed)
  const { speakers } = metadata
  if (Array.isArray(speakers)) {
    const distinct = [
      ...new Set(speakers.map((one) => (typeof one === 'string' ? nameOf(one) : one))),
    ]
    Object.assign(metadata, { speakers: distinct, num_speakers: distinct.length })
  }
  return { ...result, content: renamedText(result.content, names), metadata }
}

function renamedText(content: string, names: SpeakerNames): string {
  const written = new Map(
    Object.entries(names).map(([label, name]) => [
      speakerInMarkdown(label),
      speakerInMarkdown(name),
    ]),
  )
  const nameOf = (label: string): string => written.get(label) ?? label
  const text = content.replace(
    LINE,
    (_, time: string, label: string) => `${time}[${nameOf(label)}]`,
  )
  const list = LIST.exec(text)?.[2]
  if (list === undefined) return text
  const listed = [...new Set(list.split(', ').map(nameOf))]
  return text
    .replace(LIST, (_, head: string) => head + listed.join(', '))
    .replace(COUNT, (_, head: string) => `${head}${listed.length}`)
}
