const LANGUAGES = new Map(
  (
    'en english,zh chinese,de german,es spanish,ru russian,ko korean,fr french,ja japanese,pt portuguese,' +
    'tr turkish,pl polish,ca catalan,nl dutch,ar arabic,sv swedish,it italian,id indonesian,hi hindi,' +
    'fi finnish,vi vietnamese,he hebrew,uk ukrainian,el greek,ms malay,cs czech,ro romanian,da danish,' +
    'hu hungarian,ta tamil,no norwegian,th thai,ur urdu,hr croatian,bg bulgarian,lt lithuanian,la latin,' +
    'mi maori,ml malayalam,cy welsh,sk slovak,te telugu,fa persian,lv latvian,bn bengali,sr serbian,' +
    'az azerbaijani,sl slovenian,kn kannada,et estonian,mk macedonian,br breton,eu basque,is icelandic,' +
    'hy armenian,ne nepali,mn mongolian,bs bosnian,kk kazakh,sq albanian,sw swahili,gl galician,mr marathi,' +
    'pa punjabi,si sinhala,km khmer,sn shona,yo yoruba,so somali,af afrikaans,oc occitan,ka georgian,' +
    'be belarusian,tg tajik,sd sindhi,gu gujarati,am amharic,yi yiddish,lo lao,uz uzbek,fo faroese,' +
    'ht haitian creole,ps pashto,tk turkmen,nn nynorsk,mt maltese,sa sanskrit,lb luxembourgish,my myanmar,' +
    'bo tibetan,tl tagalog,mg malagasy,as assamese,tt tatar,haw hawaiian,ln lingala,ha hausa,ba bashkir,' +
    'jw javanese,su sundanese,yue cantonese'
  )
    .split(',')
    .map((row) => [row.slice(0, row.indexOf(' ')), row.slice(row.indexOf(' ') + 1)] as const),
)

/** Other names and codes of the same languages. */
const ALIASES: Record<string, string> = {
  burmese: 'my',
  valencian: 'ca',
  flemish: 'nl',
  haitian: 'ht',
  letzeburgesch: 'lb',
  pushto: 'ps',
  panjabi: 'pa',
  moldavian: 'ro',
  moldovan: 'ro',
  sinhalese: 'si',
  castilian: 'es',
  mandarin: 'zh',
  filipino: 'tl',
  farsi: 'fa',
  jv: 'jw',
  nb: 'no',
  iw: 'he',
  fil: 'tl',
}

const CODES = new Map([
  ...[...LANGUAGES].map(([code, name]) => [name, code] as const),
  ...[...LANGUAGES.keys()].map((code) => [code, code] as const),
  ...Object.entries(ALIASES),
])

/**
 * Whisper's code for a language, from its code or name in any case; `de-AT` gives `de`. Null for an unknown language.
 */
export function whisperLanguage(language: string): string | null {
  const wanted = language.trim().toLowerCase()
  return CODES.get(wanted) ?? CODES.get(wanted.split(/[-_]/)[0] ?? '') ?? null
}

/**
 * The ISO code (639-1 where there is one) of a code or name that a program printed, such as `german`; null for anything
 * else.
 */
export function languageCode(name: string): string | null {
  const code = whisperLanguage(name)
  // Whisper's only code that ISO does not have.
  return code === 'jw' ? 'jv' : code
}
