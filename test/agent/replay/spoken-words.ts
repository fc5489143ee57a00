import { seededRandom } from '../../shared/seeded-random.ts'

export interface SpokenWord {
  start: number
  end: number
  text: string
}

const RATE = 16_000
/** The sample value of the first word; each following has one more. */
const FIRST = 1_000

/**
 * Sentences spoken in a natural rhythm, but for the sound: words take time by their letters, speakers slow down and hurry,
 * pause at commas and longer after sentences, now and then for seconds. Some sentences follow without a pause.
 */
export function spokenScript(seconds: number, seed = 1): SpokenWord[] {
  const random = seededRandom(seed)
  const words: SpokenWord[] = []
  let at = 0.4
  while (at < seconds - 8) {
    const pace = 0.8 + random() * 0.4
    const count = 4 + Math.floor(random() * 12)
    for (let i = 0; i < count; i++) {
      const letters = 1 + Math.floor(random() * 9)
      const isLast = i === count - 1
      const hasComma = !isLast && i > 1 && random() < 0.12
      const name = nameOf(words.length, letters)
      const text = (i === 0 ? capital(name) : name) + (isLast ? '.' : hasComma ? ',' : '')
      const length = (0.07 * letters + 0.06) * pace
      words.push({ start: at, end: at + length, text })
      at += length + (hasComma ? 0.3 + random() * 0.2 : 0.02 + random() * 0.06)
    }
    const pause = random()
    at += pause < 0.1 ? 2 + random() * 1.5 : 0.35 + random() * 0.5
  }
  return words
}

/** As 16 kHz mono WAV: the sound of a word is a value of its own, so that a reader hears where it is cut. */
export function wavOf(words: readonly SpokenWord[], seconds: number): Buffer {
  const samples = new Int16Array(Math.round(seconds * RATE))
  for (const [i, { start, end }] of words.entries()) {
    samples.fill(FIRST + i, Math.round(start * RATE), Math.round(end * RATE))
  }
  return wavFile(samples)
}

/** 16 kHz, mono. */
export function wavFile(samples: Int16Array): Buffer {
  const header = Buffer.alloc(44)
  header.write('RIFF', 0, 'latin1')
  header.writeUInt32LE(36 + samples.byteLength, 4)
  header.write('WAVEfmt ', 8, 'latin1')
  header.writeUInt32LE(16, 16)
  header.writeUInt16LE(1, 20)
  header.writeUInt16LE(1, 22)
  header.writeUInt32LE(RATE, 24)
  header.writeUInt32LE(RATE * 2, 28)
  header.writeUInt16LE(2, 32)
  header.writeUInt16LE(16, 34)
  header.write('data', 36, 'latin1')
  header.writeUInt32LE(samples.byteLength, 40)
  return Buffer.concat([
    header,
    Buffer.from(samples.buffer, samples.byteOffset, samples.byteLength),
  ])
}

/** The samples of a file of that kind. */
export function samplesIn(wav: Buffer): Int16Array {
  const data = wav.subarray(wav.indexOf('data', 12, 'latin1') + 8)
  return new Int16Array(data.buffer.slice(data.byteOffset, data.byteOffset + data.byteLength))
}

/** The words of a script in samples, at their times there; one of which a tenth is missing is not understood. */
export function wordsIn(samples: Int16Array, script: readonly SpokenWord[]): SpokenWord[] {
  const found: SpokenWord[] = []
  for (let from = 0; from < samples.length;) {
    const value = samples[from]!
    let to = from + 1
    while (to < samples.length && samples[to] === value) to++
    const word = script[value - FIRST]
    if (word !== undefined && to - from >= 0.9 * (word.end - word.start) * RATE) {
      found.push({ start: from / RATE, end: to / RATE, text: word.text })
    }
    from = to
  }
  return found
}

/** The sentences that words make; the last one may not be whole. */
export function sentencesOf(words: readonly SpokenWord[]): SpokenWord[] {
  const sentences: SpokenWord[] = []
  let isOpen = false
  for (const { start, end, text } of words) {
    const last = sentences.at(-1)
    if (last === undefined || !isOpen) sentences.push({ start, end, text })
    else Object.assign(last, { end, text: `${last.text} ${text}` })
    isOpen = !text.endsWith('.')
  }
  return sentences
}

/** As the VAD finds it: pauses from a quarter of a second on divide it, and 20 seconds of speech are cut at a weak moment. */
export function speechOf(words: readonly SpokenWord[]): { start: number; end: number }[] {
  const spans: { start: number; end: number }[] = []
  for (const { start, end } of words) {
    const last = spans.at(-1)
    const isNew = last === undefined || start - last.end >= 0.25
    if (isNew) spans.push({ start, end })
    else if (end - last.start > 20) spans.push({ start: last.end, end })
    else last.end = end
  }
  return spans
}

/** Of so many letters, no two alike in a hundred. */
function nameOf(index: number, letters: number): string {
  let name = ''
  for (let i = 0; i < letters; i++) name += 'aeiourstlnmd'[(index * (i + 3) + i * i) % 12]
  return name
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1)
}
