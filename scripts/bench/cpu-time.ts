import { readFileSync } from 'node:fs'

/** Of a second, in Linux's `/proc`. */
const TICKS = 100

/**
 * What all processes that we started, and those that they started, have computed until they ended, in seconds of one
 * processor. Unlike the time on the clock it says little of what else the machine does.
 */
export function childrenCpuSeconds(): number {
  const fields = readFileSync('/proc/self/stat', 'utf8')
    .replace(/^.*\) /, '')
    .split(' ')
  // The name and what is before it are gone, which are two: these are the 16th and the 17th.
  return (Number(fields[13]) + Number(fields[14])) / TICKS
}
