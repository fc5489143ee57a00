import { readdirSync, readFileSync } from 'node:fs'

/** The process ids of this process's sherpa-onnx children. */
export function sherpaChildren(): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => {
      try {
        const parent = /^\d+ \(.*\) \S (\d+)/s.exec(readFileSync(`/proc/${pid}/stat`, 'utf8'))?.[1]
        const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8')
        return Number(parent) === process.pid && command.includes('sherpa-child')
      } catch {
        return false
      }
    })
}
