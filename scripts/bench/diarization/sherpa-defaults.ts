import { loadSherpa } from '../../../agent/audio/sherpa.ts'
import { WavReader } from '../../../agent/audio/wav.ts'
import type { Turn } from '../../../agent/diarization/turns.ts'
import type { SpeakerModels } from '../../engines/speaker-models.ts'

/** Speaker turns by sherpa-onnx's own diarization with its default settings, for comparison. */
export async function sherpaTurns(wavPath: string, models: SpeakerModels): Promise<Turn[]> {
  const { OfflineSpeakerDiarization } = loadSherpa()
  const reader = await WavReader.open(wavPath)
  try {
    const found = new OfflineSpeakerDiarization({
      segmentation: { pyannote: { model: models.segmentation }, numThreads: 1, debug: 0 },
      embedding: { model: models.embedding, numThreads: 1, debug: 0 },
      clustering: { numClusters: -1, threshold: 0.5 },
      minDurationOn: 0.3,
      minDurationOff: 0.5,
    }).process(await reader.read(0, reader.header.samples))
    return found.map(({ start, end, speaker }) => ({ start, end, speaker: String(speaker) }))
  } finally {
    await reader.close()
  }
}
