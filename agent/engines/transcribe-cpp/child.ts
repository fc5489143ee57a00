/** The process in which transcribe.cpp runs: it ends its process where a GPU's memory or driver fails. */
import { answerParent } from '../../process/answer-parent.ts'
import { loadLibrary, Recognizer, type LoadRequest, type RunRequest } from './recognizer.ts'

export type Question =
  | { type: 'devices'; library: string }
  | ({ type: 'load' } & LoadRequest)
  | ({ type: 'transcribe' } & RunRequest)
  | { type: 'detect'; wavPaths: readonly string[] }
  | { type: 'speakers'; wavPath: string }

let recognizer: Recognizer | null = null

answerParent(async (question, progress) => {
  const asked = question as Question
  switch (asked.type) {
    case 'devices': {
      const { getAvailableBackends } = await loadLibrary(asked.library)
      return getAvailableBackends()
    }
    case 'load':
      recognizer = await Recognizer.load(asked)
      return recognizer.device
    case 'transcribe':
      return await loaded().transcribe(asked, progress)
    case 'detect':
      return await loaded().detect(asked.wavPaths)
    case 'speakers':
      return await loaded().speakers(asked.wavPath)
  }
})

function loaded(): Recognizer {
  if (recognizer === null) throw new Error('no model was loaded')
  return recognizer
}
