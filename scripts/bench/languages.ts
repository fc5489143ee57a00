import { mkdtemp, rm } from 'node:fs/promises'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { execa } from 'execa'
import type { Toolchain } from '../../agent/toolchain.ts'
import { AppError } from '../../shared/errors.ts'
import { ffmpegHere } from './ffmpeg.ts'
import type { Measure } from './report.ts'
import { toolchainWith } from './toolchain.ts'

const ASSETS = fileURLToPath(new URL('../../agent/assets', import.meta.url))
const signal = new AbortController().signal

/** The same announcement in several languages. */
const OTHERS: Record<string, string> = {
  de: 'Guten Morgen, meine Damen und Herren. Heute sprechen wir über den Haushalt der Stadt und über die neue Brücke.',
  fr: "Bonjour à tous. Nous allons parler aujourd'hui du budget de la ville et du nouveau pont.",
  es: 'Buenos días a todos. Hoy vamos a hablar del presupuesto de la ciudad y del nuevo puente.',
  it: 'Buongiorno a tutti. Oggi parliamo del bilancio della città e del nuovo ponte.',
  pt: 'Bom dia a todos. Hoje vamos falar do orçamento da cidade e da nova ponte.',
  nl: 'Goedemorgen allemaal. Vandaag spreken we over de begroting van de stad en over de nieuwe brug.',
  pl: 'Dzień dobry państwu. Dzisiaj porozmawiamy o budżecie miasta i o nowym moście.',
  sv: 'God morgon allihopa. I dag ska vi tala om stadens budget och om den nya bron.',
  tr: 'Herkese günaydın. Bugün şehrin bütçesi ve yeni köprü hakkında konuşacağız.',
  ru: 'Доброе утро, дамы и господа. Сегодня мы поговорим о бюджете города и о новом мосте.',
  ja: 'みなさん おはよう ございます。きょうは しの よさんと あたらしい はしに ついて はなします。',
  cmn: '大家早上好，谢谢你们来。今天我们要谈一谈城市的预算和新的大桥。',
}
/** The same message of four to seven seconds: the less is said, the harder it is to judge. */
const NOTES: Record<string, string> = {
  de: 'Hallo, ich komme heute etwas später, wartet bitte nicht mit dem Essen auf mich.',
  fr: "Bonjour, je serai un peu en retard ce soir, ne m'attendez pas pour le dîner.",
  es: 'Hola, hoy voy a llegar un poco tarde, no me esperen para cenar.',
  it: 'Ciao, stasera arrivo un po’ in ritardo, non aspettatemi per la cena.',
  pt: 'Olá, hoje vou chegar um pouco mais tarde, não me esperem para o jantar.',
  nl: 'Hallo, ik kom vanavond wat later, wacht maar niet op mij met het eten.',
  sv: 'Hej, jag kommer lite senare i kväll, vänta inte på mig med maten.',
  da: 'Hej, jeg kommer lidt senere i aften, vent ikke på mig med maden.',
  nb: 'Hei, jeg kommer litt senere i kveld, ikke vent på meg med maten.',
  fi: 'Hei, tulen tänään vähän myöhemmin, älkää odottako minua syömään.',
  pl: 'Cześć, dzisiaj przyjdę trochę później, nie czekajcie na mnie z kolacją.',
  cs: 'Ahoj, dneska přijdu trochu později, nečekejte na mě s večeří.',
  hu: 'Szia, ma egy kicsit később érek haza, ne várjatok rám a vacsorával.',
  tr: 'Merhaba, bu akşam biraz geç geleceğim, yemek için beni beklemeyin.',
  ru: 'Привет, сегодня я приду немного позже, не ждите меня к ужину.',
  el: 'Γεια σας, σήμερα θα αργήσω λίγο, μη με περιμένετε για φαγητό.',
  hi: 'नमस्ते, आज मैं थोड़ी देर से आऊँगा, खाने के लिए मेरा इंतज़ार मत करना।',
  id: 'Halo, hari ini saya akan datang sedikit terlambat, jangan tunggu saya untuk makan malam.',
  vi: 'Chào mọi người, hôm nay tôi sẽ về muộn một chút, đừng chờ tôi ăn tối.',
  cmn: '你好，我今天晚上会晚一点到家，请不要等我吃饭。',
}
const ENGLISH =
  'Good morning everybody. Today we will talk about the budget of the city and about the new bridge.'
const ACCENTS = ['en-gb', 'en-us', 'en-gb-scotland', 'en-gb-x-rp', 'en-029', 'en-us+f3', 'en-gb+m4']
/** What is done to the clips of people, as filters of ffmpeg. */
const SPOILT: Record<string, string> = {
  'as it is': 'anull',
  'by telephone': 'highpass=f=300,lowpass=f=3400,aresample=8000',
  'its first 3 s': 'atrim=end=3',
  'at -40 dB': 'volume=-40dB',
}

/** What the embedded engine makes of the languages that it knows and of others; others by espeak-ng, where it is here. */
export async function languages(folder: string): Promise<Measure[]> {
  const toolchain = await toolchainWith(['--engine', 'moonshine', '--gpus', 'none'])
  const ffmpeg = await ffmpegHere()
  try {
    const measures: Measure[] = []
    for (const clip of ['jfk', 'austen']) {
      for (const [how, filter] of Object.entries(SPOILT)) {
        const file = path.join(folder, 'spoilt.wav')
        const args = ['-v', 'error', '-y', '-i', path.join(ASSETS, `${clip}.wav`), '-af', filter]
        await execa(ffmpeg, [...args, file])
        measures.push(await measure(toolchain, `English: ${clip}, ${how}`, file, 'English'))
      }
    }
    const said = [
      ...ACCENTS.map((voice) => [voice, ENGLISH, 'English'] as const),
      ...Object.entries(OTHERS).map(([voice, text]) => [voice, text, 'not English'] as const),
      ...Object.entries(NOTES).map(([voice, text]) => [voice, text, 'not English, short'] as const),
    ]
    for (const [voice, text, expected] of said) {
      const file = path.join(folder, 'spoken.wav')
      const { failed } = await execa('espeak-ng', ['-v', voice, '-w', file, text], {
        reject: false,
      })
      if (failed) {
        measures.push({ name: 'left out: espeak-ng is not here', value: '' })
        break
      }
      measures.push(await measure(toolchain, `${expected}: espeak-ng, ${voice}`, file, expected))
    }
    return measures
  } finally {
    await toolchain.close()
  }
}

async function measure(
  toolchain: Toolchain,
  name: string,
  sourcePath: string,
  expected: 'English' | 'not English' | 'not English, short',
): Promise<Measure> {
  const value = await verdict(toolchain, sourcePath)
  const kept = (value === 'claimed') === (expected === 'English')
  return { name, value, promise: expected === 'English' ? 'claimed' : 'not claimed', kept }
}

/** Whether the result claims to be English, says that it is not certain, or is refused. */
async function verdict(toolchain: Toolchain, sourcePath: string): Promise<string> {
  const workDir = await mkdtemp(path.join(path.dirname(sourcePath), 'work-'))
  try {
    const { transcript } = await toolchain.pipeline.convert({
      jobId: 'bench',
      sourcePath,
      filename: path.basename(sourcePath),
      contentType: 'audio',
      taskOptions: {},
      workDir,
      signal,
      report() {},
    })
    if (transcript.language !== null) return 'claimed'
    return transcript.segments.length === 0 ? 'no text, no claim' : 'doubted, no claim'
  } catch (error) {
    if (error instanceof AppError && error.code === 'unsupported_language') return 'refused'
    throw error
  } finally {
    await rm(workDir, { recursive: true, force: true })
  }
}
