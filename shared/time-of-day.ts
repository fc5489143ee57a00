/**
 * Milliseconds since 1970, for people and the wire. The clock may be set at any moment: measure durations with
 * `performance.now()`.
 */
export function timeOfDay(): number {
  return Date.now()
}
