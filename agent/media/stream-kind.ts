import type { AudioTrack, SubtitleTrack } from './media-info.ts'

interface Purpose {
  disposition: Record<string, number>
  tags: Record<string, string>
}

/** By a subtitle track's flags and its title: many files set no flags. */
export function kindOfSubtitles({
  disposition,
  tags,
}: Purpose): Pick<SubtitleTrack, 'forced' | 'hearingImpaired' | 'commentary'> {
  const title = tags['title'] ?? ''
  const forced = Boolean(disposition['forced']) || /\bforced\b|\bsigns\b/i.test(title)
  const hearingImpaired =
    Boolean(disposition['hearing_impaired']) || /\b(sdh|cc|hearing.impaired)\b/i.test(title)
  const commentary = Boolean(disposition['comment']) || COMMENTARY.test(title)
  return {
    ...(forced ? { forced } : {}),
    ...(hearingImpaired ? { hearingImpaired } : {}),
    ...(commentary ? { commentary } : {}),
  }
}

const COMMENTARY = /\b(commentary|comment(ary|s)? track|kommentar|commentaire|comentario)/i
const DESCRIPTION =
  /\b(audio.?descri\w*|described video|descriptive|dvs|visually.impaired|h(ö|oe)rfilm|audiodesk\w*)\b/i

/** By a sound track's flags and its title. */
export function kindOfSound({ disposition, tags }: Purpose): Pick<AudioTrack, 'title' | 'about'> {
  const title = tags['title'] ?? tags['handler_name'] ?? ''
  const isDescription =
    ['descriptions', 'visual_impaired'].some((flag) => Boolean(disposition[flag])) ||
    DESCRIPTION.test(title)
  const isCommentary = Boolean(disposition['comment']) || COMMENTARY.test(title)
  const about = isDescription ? 'description' : 'commentary'
  const named = tags['title'] ?? ''
  return {
    ...(named === '' ? {} : { title: named }),
    ...(isDescription || isCommentary ? { about } : {}),
  }
}
