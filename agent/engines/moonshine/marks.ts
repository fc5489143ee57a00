import { endsSentence, sentencesIn } from '../../../shared/sentences.ts'
import { wordsIn } from '../../quality/words.ts'
import { wordErrors } from '../../wer.ts'

/** Fewer words may be no sentence. */
const LEAST_WORDS = 6
/** Another reading may differ in this share of its words. */
const MOST_DIFFERING = 0.1
const INNER_MARK = /[,;:]/

/** Whether a text of many words has no punctuation at all: the model writes some stretches so, whatever was said. */
function lacksMarks(text: string): boolean {
  return (
    wordsIn(text).length >= LEAST_WORDS &&
    !INNER_MARK.test(text) &&
    !endsSentence(text, '', 'en') &&
    sentencesIn(text, 'en').length === 1
  )
}

/**
 * A text without punctuation, with that of the first other reading of the same sound that has some. Its words stay: a word
 * gets the capitals and the marks that it has there, where both readings have it.
 */
export function withMarks(text: string, readings: Iterable<string>): string {
  if (!lacksMarks(text)) return text
  for (const reading of readings) {
    const { errors, words } = wordErrors(text, reading)
    if (!lacksMarks(reading) && errors <= words * MOST_DIFFERING) return markedAs(text, reading)
  }
  return text
}

function markedAs(text: string, reading: string): string {
  const [words, others] = [text.split(/\s+/), reading.split(/\s+/)]
  const longest = commonLengths(words.map(bare), others.map(bare))
  const marked: string[] = []
  for (let i = 0, j = 0; i < words.length;) {
    if (j < others.length && bare(words[i]!) === bare(others[j]!)) {
      marked.push(others[j++]!)
      i++
    } else if (j < others.length && longest[i]![j + 1]! >= longest[i + 1]![j]!) j++
    else marked.push(words[i++]!)
  }
  return marked.join(' ')
}

function bare(word: string): string {
  return wordsIn(word).join('')
}

/** By where both begin, how many words they have in common, in their order. */
function commonLengths(words: readonly string[], others: readonly string[]): number[][] {
  const longest = Array.from({ length: words.length + 1 }, () =>
    Array<number>(others.length + 1).fill(0),
  )
  for (let i = words.length - 1; i >= 0; i--) {
    for (let j = others.length - 1; j >= 0; j--) {
      longest[i]![j] =
        words[i] === others[j]
          ? longest[i + 1]![j + 1]! + 1
          : Math.max(longest[i + 1]![j]!, longest[i]![j + 1]!)
    }
  }
  return longest
}
