import type { Capabilities } from '../shared/announcement.ts'
import type { StartSettings } from './settings/config.ts'
import { Converters } from './converters/converters.ts'
import { planSlots } from './gpu/slot-plan.ts'
import { Slots } from './gpu/slots.ts'
import { openToolchain, type Toolchain } from './toolchain.ts'
import { SPEECH_TYPES, unsupportedType } from './work/content-types.ts'
import type { ConvertInput } from './transcription/conversion.ts'
import type { ConvertedFile } from './work/pipeline.ts'

export type Equipment = Awaited<ReturnType<typeof openEquipment>>

/**
 * Opens the converters, and an engine where a speech type has no converter.
 * @param report sentences for people.
 * @throws {AppError} as {@link openToolchain} and {@link Converters.open}.
 */
export async function openEquipment(
  { contentTypes, converters: settings, media }: StartSettings,
  options: Pick<Parameters<typeof openToolchain>[1], 'signal' | 'report'>,
) {
  const wanted = Object.entries(settings.commands).filter(([type]) => contentTypes.includes(type))
  const used = { ...settings, commands: Object.fromEntries(wanted) }
  for (const type of Object.keys(settings.commands)) {
    if (!contentTypes.includes(type))
      options.report('warn', `The converter for ${type} is not used: --types does not name it.`)
  }
  const { signal } = options
  const converters = await Converters.open(used, { sandbox: media.sandbox, signal })
  const spoken = contentTypes.filter((type) => SPEECH_TYPES.includes(type) && !converters.has(type))
  const speech = spoken.length === 0 ? null : await openToolchain(media, options)
  const slots = speech?.slots ?? new Slots(planSlots({ ...media, gpus: 'none', devices: [] }))
  return {
    pipeline: {
      async convert(input: ConvertInput): Promise<ConvertedFile> {
        if (converters.has(input.contentType)) return await converters.convert(input, slots)
        if (speech === null) throw unsupportedType(input.contentType)
        return await speech.pipeline.convert(input)
      },
    },
    /** Null where no content type needs it. */
    speech,
    engine: speech?.choice.engine.info ?? null,
    converters,
    slots,
    devices: speech?.devices ?? [],
    capabilities: capabilitiesOf(speech, converters),
    /** @throws {AppError} as {@link Toolchain.prepare}. */
    prepare: async (preparing: AbortSignal) => await speech?.prepare(preparing),
    lacksModels: async () => (await speech?.lacksModels()) ?? false,
    async close() {
      slots.close()
      await speech?.close()
    },
  }
}

/** Converters are announced as engines: a job may require one by its name. */
function capabilitiesOf(speech: Toolchain | null, converters: Converters): Capabilities {
  const { engines, models, languages, features } = speech?.capabilities ?? {
    engines: [],
    models: [],
    languages: null,
    features: [],
  }
  const { programs } = converters
  const names = programs.map(({ program }) => program.slice(0, 100))
  // The languages of a converter are unknown.
  const hasSpeech = programs.some(({ contentType }) => SPEECH_TYPES.includes(contentType))
  return {
    engines: [...new Set([...engines, ...names])],
    models,
    languages: hasSpeech ? null : languages,
    features,
  }
}
