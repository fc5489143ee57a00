/**
 * The time of day in milliseconds since 1970: what people and other machines are told, and what they tell us. Anybody may
 * set it at any moment, so nothing that lasts or waits is measured with it: that is what `performance.now()` is for.
 */
export function timeOfDay(): number {
  return Date.now()
}
