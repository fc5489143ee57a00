// A replay of whisper-cli: behaves as the real one did when test/agent/recorded/whisper-cpp was recorded, and as it is
// documented to where that could not be recorded. The name of the model says what happens.
import { spawn } from 'node:child_process'
import { appendFileSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'

const args = process.argv.slice(2)
const valueOf = (flag) => args[args.indexOf(flag) + 1]
const recorded = (name) =>
  readFileSync(new URL(`../recorded/whisper-cpp/${name}`, import.meta.url), 'utf8')
const out = `${valueOf('-of')}.json`

if (args.includes('--version')) {
  process.stdout.write('whisper.cpp version: 1.9.1\n')
  process.exit(0)
}

const folder = path.dirname(valueOf('-m'))
const scenario = path.basename(valueOf('-m')).replace(/^ggml-|\.bin$/g, '')
appendFileSync(path.join(folder, 'calls.ndjson'), `${JSON.stringify({ scenario, args })}\n`)

if (args.includes('-dl')) {
  const wavs = args.filter((_, i) => args[i - 1] === '-f')
  const lines = recorded('detect.stderr.txt')
  process.stderr.write(
    lines
      .replaceAll("'/work/jfk.wav'", `'${wavs[0]}'`)
      .replaceAll("'/work/austen.wav'", `'${wavs[1]}'`),
  )
  process.exit(0)
}

switch (scenario) {
  case 'silent':
    writeFileSync(out, JSON.stringify({ ...JSON.parse(recorded('jfk.json')), transcription: [] }))
    break
  case 'bad-audio':
    process.stderr.write(recorded('bad-audio.stderr.txt'))
    break
  case 'cut':
    process.stderr.write(recorded('cut-model.stderr.txt'))
    process.exitCode = 3
    break
  case 'medium':
    process.stderr.write(
      'ggml_backend_cuda_buffer_type_alloc_buffer: allocating 1533.14 MiB on device 0: cudaMalloc failed: out of memory\n' +
        'whisper_init_with_params_no_state: failed to load model\nerror: failed to initialize whisper context\n',
    )
    process.exitCode = 3
    break
  case 'crash':
    process.kill(process.pid, 'SIGABRT')
    break
  case 'killed':
    process.kill(process.pid, 'SIGKILL')
    break
  case 'half':
    writeFileSync(out, recorded('jfk.json').slice(0, 3000))
    break
  case 'nothing':
    break
  case 'hang': {
    // With a child of its own, which must not outlive it either.
    const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], {
      stdio: 'ignore',
    })
    process.on('SIGTERM', () => undefined)
    writeFileSync(path.join(folder, 'pids'), `${process.pid} ${child.pid}`)
    process.stderr.write('whisper_print_progress_callback: progress =  35%\n')
    setInterval(() => undefined, 1000)
    break
  }
  default:
    succeed()
}

function succeed() {
  process.stderr.write(recorded('jfk.stderr.txt'))
  process.stdout.write(recorded('jfk.stdout.txt'))
  writeFileSync(out, recorded('jfk.json'))
}
