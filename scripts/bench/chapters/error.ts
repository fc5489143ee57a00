/**
 * The share of places where a division of a text differs from the true one, for two sentences that are half a true topic
 * apart.
 */
type TopicError = (
  borders: readonly number[],
  found: readonly number[],
  sentences: number,
) => number

/** Whether both lie in one topic (D. Beeferman, A. Berger and J. Lafferty, Statistical Models for Text Segmentation, 1999). */
export const pk: TopicError = (borders, found, sentences) =>
  share(borders, found, sentences, (real, guess) => (real === 0) === (guess === 0))

/** How many borders lie between them (L. Pevzner and M. Hearst, A Critique and Improvement of an Evaluation Metric, 2002). */
export const windowDiff: TopicError = (borders, found, sentences) =>
  share(borders, found, sentences, (real, guess) => real === guess)

function share(
  borders: readonly number[],
  found: readonly number[],
  sentences: number,
  isSame: (real: number, guess: number) => boolean,
): number {
  const apart = Math.max(1, Math.round(sentences / borders.length / 2))
  const between = (list: readonly number[], at: number): number =>
    list.filter((border) => border > at && border <= at + apart).length
  const places = Array.from({ length: sentences - apart }, (_, at) => at)
  const wrong = places.filter((at) => !isSame(between(borders, at), between(found, at)))
  return wrong.length / places.length
}
