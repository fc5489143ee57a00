import { existsSync } from 'node:fs'
import path from 'node:path'
import type { PythonPlaces } from './places.ts'
import { cachedIn } from './models.ts'

/** whisperx's alignment models: a file of PyTorch's own, or a repository. */
const MODELS: Record<string, { file: string } | { repository: string }> = {
  en: { file: 'wav2vec2_fairseq_base_ls960_asr_ls960.pth' },
  fr: { file: 'wav2vec2_voxpopuli_base_10k_asr_fr.pt' },
  de: { file: 'wav2vec2_voxpopuli_base_10k_asr_de.pt' },
  es: { file: 'wav2vec2_voxpopuli_base_10k_asr_es.pt' },
  it: { file: 'wav2vec2_voxpopuli_base_10k_asr_it.pt' },
  ja: { repository: 'jonatasgrosman/wav2vec2-large-xlsr-53-japanese' },
  zh: { repository: 'jonatasgrosman/wav2vec2-large-xlsr-53-chinese-zh-cn' },
  nl: { repository: 'jonatasgrosman/wav2vec2-large-xlsr-53-dutch' },
  uk: { repository: 'Yehor/wav2vec2-xls-r-300m-uk-with-small-lm' },
  pt: { repository: 'jonatasgrosman/wav2vec2-large-xlsr-53-portuguese' },
  ar: { repository: 'jonatasgrosman/wav2vec2-large-xlsr-53-arabic' },
  cs: { repository: 'comodoro/wav2vec2-xls-r-300m-cs-250' },
  ru: { repository: 'jonatasgrosman/wav2vec2-large-xlsr-53-russian' },
  pl: { repository: 'jonatasgrosman/wav2vec2-large-xlsr-53-polish' },
  hu: { repository: 'jonatasgrosman/wav2vec2-large-xlsr-53-hungarian' },
  fi: { repository: 'jonatasgrosman/wav2vec2-large-xlsr-53-finnish' },
  fa: { repository: 'jonatasgrosman/wav2vec2-large-xlsr-53-persian' },
  el: { repository: 'jonatasgrosman/wav2vec2-large-xlsr-53-greek' },
  tr: { repository: 'mpoyraz/wav2vec2-xls-r-300m-cv7-turkish' },
  da: { repository: 'saattrupdan/wav2vec2-xls-r-300m-ftspeech' },
  he: { repository: 'imvladikon/wav2vec2-xls-r-300m-hebrew' },
  vi: { repository: 'nguyenvulebinh/wav2vec2-base-vi-vlsp2020' },
  ko: { repository: 'kresnik/wav2vec2-large-xlsr-korean' },
  ur: { repository: 'kingabzpro/wav2vec2-large-xls-r-300m-Urdu' },
  te: { repository: 'anuragshas/wav2vec2-large-xlsr-53-telugu' },
  hi: { repository: 'theainerd/Wav2Vec2-large-xlsr-hindi' },
  ca: { repository: 'softcatala/wav2vec2-large-xlsr-catala' },
  ml: { repository: 'gvs/wav2vec2-large-xlsr-malayalam' },
  no: { repository: 'NbAiLab/nb-wav2vec2-1b-bokmaal-v2' },
  nn: { repository: 'NbAiLab/nb-wav2vec2-1b-nynorsk' },
  sk: { repository: 'comodoro/wav2vec2-xls-r-300m-sk-cv8' },
  sl: { repository: 'anton-l/wav2vec2-large-xlsr-53-slovenian' },
  hr: { repository: 'classla/wav2vec2-xls-r-parlaspeech-hr' },
  ro: { repository: 'gigant/romanian-wav2vec2' },
  eu: { repository: 'stefan-it/wav2vec2-large-xlsr-53-basque' },
  gl: { repository: 'ifrz/wav2vec2-large-xlsr-galician' },
  ka: { repository: 'xsway/wav2vec2-large-xlsr-georgian' },
  lv: { repository: 'jimregan/wav2vec2-large-xlsr-latvian-cv' },
  tl: { repository: 'Khalsuu/filipino-wav2vec2-l-xls-r-300m-official' },
  sv: { repository: 'KBLab/wav2vec2-large-voxrex-swedish' },
  id: { repository: 'cahya/wav2vec2-large-xlsr-indonesian' },
}

/**
 * The languages whose words whisperx can align: all when it may fetch models; offline those whose model is present, and
 * none without NLTK's sentence splitter, since a failed alignment costs the whole transcript.
 */
export function alignedLanguages(places: PythonPlaces, offline: boolean): ReadonlySet<string> {
  const languages = Object.keys(MODELS)
  if (!offline) return new Set(languages)
  const splitter = places.nltk.some((folder) =>
    existsSync(path.join(folder, 'tokenizers', 'punkt_tab')),
  )
  return new Set(splitter ? languages.filter((language) => isHere(language, places)) : [])
}

function isHere(language: string, { torch, hub }: PythonPlaces): boolean {
  const model = MODELS[language]
  if (model === undefined) return false
  return 'file' in model
    ? existsSync(path.join(torch, 'hub', 'checkpoints', model.file))
    : cachedIn(hub, model.repository, ['config.json']) !== null
}
