#!/usr/bin/env node
// A replay of nvidia-smi and rocm-smi, for machines without a GPU. A test puts it in a folder of its own, with what it
// is to print: `query` (stdout), `errors` (stderr), `list` (for -L), `used` (for memory.used), `exit-code`, or `hang`. Calls
// are added to `calls`.
import { appendFileSync, existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const here = (name) => fileURLToPath(new URL(name, import.meta.url))
const read = (name) => (existsSync(here(name)) ? readFileSync(here(name), 'utf8') : '')

const args = process.argv.slice(2)
appendFileSync(here('calls'), `${JSON.stringify({ pid: process.pid, args })}\n`)

if (existsSync(here('hang'))) {
  setInterval(() => {}, 1000)
} else {
  const isUse = args[0] === '--query-gpu=index,memory.used'
  process.stdout.write(read(args[0] === '-L' ? 'list' : isUse ? 'used' : 'query'))
  process.stderr.write(read('errors'))
  process.exitCode = Number(read('exit-code'))
}
