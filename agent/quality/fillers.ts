import { wordsIn } from './words.ts'

/** Phrases that Whisper writes where there is no speech, by language: it learned them from the ends of subtitles. */
const PHRASES: Record<string, string[]> = {
  en: [
    'thanks for watching',
    'thank you for watching',
    'thank you so much for watching',
    'please subscribe',
    'like and subscribe',
    'subscribe to my channel',
    'see you in the next video',
    'see you next time',
    'subtitles by the amara org community',
    'transcription by castingwords',
  ],
  de: [
    'untertitel der amara org community',
    'untertitel im auftrag des zdf',
    'untertitelung im auftrag des zdf',
    'untertitelung des zdf',
    'untertitel von stephanie geiges',
    'copyright wdr',
    'vielen dank fürs zuschauen',
    'danke fürs zuschauen',
    'bis zum nächsten mal',
  ],
  fr: [
    'sous titres réalisés par',
    'sous titres réalisés para',
    'sous titrage société radio canada',
    'sous titrage st 501',
    "merci d'avoir regardé cette vidéo",
    'abonnez vous',
  ],
  es: [
    'subtítulos realizados por la comunidad de amara org',
    'subtítulos por la comunidad de amara org',
    'gracias por ver el vídeo',
    'gracias por ver el video',
    'suscríbete al canal',
  ],
  it: ['sottotitoli creati dalla comunità amara org', 'sottotitoli e revisione a cura di qtss'],
  pt: ['legendas pela comunidade amara org', 'obrigado por assistir', 'inscreva se no canal'],
  nl: ['ondertitels ingediend door de amara org gemeenschap', 'bedankt voor het kijken'],
  sv: ['undertexter från amara org gemenskapen', 'svensktextning'],
  pl: ['napisy stworzone przez społeczność amara org', 'dziękuję za oglądanie'],
  ru: [
    'субтитры сделал dimatorzok',
    'редактор субтитров',
    'продолжение следует',
    'спасибо за просмотр',
  ],
  tr: ['altyazı m k', 'izlediğiniz için teşekkür ederim'],
  ja: ['ご視聴ありがとうございました', '字幕'],
  zh: ['字幕由amara org社区提供', '请不吝点赞', '請不吝點贊', '谢谢观看', '謝謝觀看', '字幕'],
  ko: ['시청해주셔서 감사합니다', '구독과 좋아요', '한글자막 by'],
}

/** Fillers only where they are the whole text. */
const WHOLE = [
  'you',
  'thank you',
  'thanks',
  'bye',
  'bye bye',
  'merci',
  'danke',
  'vielen dank',
  'gracias',
  'obrigado',
  'grazie',
]

const normalised = (text: string): string => ` ${wordsIn(text).join(' ')} `
const PARTS = Object.values(PHRASES).flat().map(normalised)
const ALL = new Set(WHOLE.map(normalised))
/** `[Music]`, `(applause)`, `*sighs*`, `♪`: sounds, not words. */
const REMARK = /\[[^\]]*\]|\([^)]*\)|（[^）]*）|【[^】]*】|\*[^*]*\*|♪[^♪]*♪/gu

/**
 * Whether a text is one that models write where there is no speech. People say such things too: it is a sign only outside
 * speech.
 */
export function isFiller(text: string): boolean {
  const spoken = normalised(text)
  if (ALL.has(spoken) || normalised(text.replace(REMARK, ' ')).trim() === '') return true
  return PARTS.some((phrase) => spoken.includes(phrase))
}
