// Plays back what one of the real programs did: what it printed, what it wrote, how it ended. It is no engine.
//
//   node NAME.mjs SCENARIO [the real program's own arguments]
//
// The scenarios are the rows of recorded/ENGINE/outcomes.json, and
//   hang          it prints one segment and then nothing for ever
//   small-gpu     out of memory, until it is asked for less
// Each starts a child of its own, as Python does for ffmpeg; the ids of both are added to `children` beside the audio.
import { spawn } from 'node:child_process'
import { appendFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'

/**
 * @param {{ engine: string, program: string, version: string, options: string, flags: string, line: string,
 *   fits: (options: Record<string, string>) => boolean }} real
 *   `options` take a value, `flags` none; `line` is what it prints for a segment; `fits`: whether a small GPU is enough
 */
export function replay(real) {
  const [scenario, ...args] = process.argv.slice(2)
  if (args[0] === '--version') return print(`${real.program} ${real.version}\n`)
  if (args[0] === '--help')
    return print(`usage: ${real.program} [-h] ${real.options} ${real.flags}\n`)
  const { files, options } = parsed(real, args)
  const audio = files[0] ?? ''
  const sleeper = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], {
    stdio: 'inherit',
  })
  appendFileSync(path.join(path.dirname(audio), 'children'), `${process.pid} ${sleeper.pid}\n`)
  sleeper.unref()
  if (scenario === 'hang') {
    process.stdout.write(`${real.line}\n`)
    return setInterval(() => {}, 1000)
  }
  const recorded = path.join(import.meta.dirname, '..', 'recorded', real.engine)
  const outcomes = JSON.parse(readFileSync(path.join(recorded, 'outcomes.json'), 'utf8'))
  const name =
    scenario === 'small-gpu' ? (real.fits(options) ? 'success' : 'out-of-memory') : scenario
  const { exitCode, signal, stdout, stderr, output } = outcomes[name]
  const folder = options['--output_dir'] ?? '.'
  mkdirSync(folder, { recursive: true })
  const made = path.join(recorded, output ?? `${name}.json`)
  if (existsSync(made)) {
    writeFileSync(path.join(folder, `${path.parse(audio).name}.json`), readFileSync(made))
  }
  process.stdout.write(stdout, () =>
    process.stderr.write(stderr, () => {
      if (signal !== null) process.kill(process.pid, signal)
      else process.exit(exitCode)
    }),
  )
}

function print(text) {
  process.stdout.write(text)
}

/** As argparse does: what it does not know ends it with code 2. */
function parsed({ program, options: takes, flags }, args) {
  const known = new Set(takes.split(' '))
  const bare = new Set(flags.split(' '))
  const files = []
  const options = {}
  const unknown = []
  for (let i = 0; i < args.length; i++) {
    const arg = args[i]
    const [name, ...joined] = arg.split('=')
    if (!arg.startsWith('--')) files.push(arg)
    else if (bare.has(arg)) options[arg] = 'True'
    else if (!known.has(name)) unknown.push(arg)
    else options[name] = joined.length > 0 ? joined.join('=') : args[++i]
  }
  if (unknown.length > 0) {
    process.stderr.write(`usage: ${program} [-h] [audio ...]\n`)
    process.stderr.write(`${program}: error: unrecognized arguments: ${unknown.join(' ')}\n`)
    process.exit(2)
  }
  return { files, options }
}
