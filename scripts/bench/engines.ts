import { besideBareLibrary } from './bare-library.ts'
import { batchedCost } from './batched.ts'
import { keptRunning } from './kept-running.ts'
import { modelSwitches } from './model-switches.ts'
import { residentCost } from './resident.ts'
import { severalSlots } from './slots.ts'
import { besideWhisperCli } from './transcribe-cpp.ts'

/** What `npm run bench -- engines` measures; each part of it can be run alone. */
export const ENGINE_PARTS = {
  kept: { title: 'Engines: kept running or not, and the agent beside them', run: keptRunning },
  resident: { title: 'faster-whisper: a worker that stays, and a process each', run: residentCost },
  batched: { title: 'faster-whisper: batches, and window after window', run: batchedCost },
  library: { title: 'faster-whisper: the agent, and the library alone', run: besideBareLibrary },
  switches: { title: 'faster-whisper: jobs of two models', run: modelSwitches },
  'transcribe-cpp': {
    title: 'transcribe-cpp beside whisper-cli, the same weights',
    run: besideWhisperCli,
  },
  slots: { title: 'One recording on several slots', run: severalSlots },
} as const
