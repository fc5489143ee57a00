// A replay of whisper-server: answers as the real one did when test/agent/recorded/whisper-cpp was recorded, and as it is
// documented to where that could not be recorded. The name of the model says what happens.
import { spawn } from 'node:child_process'
import { appendFileSync, readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import path from 'node:path'

const args = process.argv.slice(2)
const valueOf = (flag) => args[args.indexOf(flag) + 1]
const recorded = (name) =>
  readFileSync(new URL(`../recorded/whisper-cpp/${name}`, import.meta.url), 'utf8')
const folder = path.dirname(valueOf('-m'))
const scenario = path.basename(valueOf('-m')).replace(/^ggml-|\.bin$/g, '')
const log = (entry) =>
  appendFileSync(path.join(folder, 'server.ndjson'), `${JSON.stringify({ scenario, ...entry })}\n`)

const OUT_OF_MEMORY =
  'ggml_backend_cuda_buffer_type_alloc_buffer: allocating 1533.14 MiB on device 0: cudaMalloc failed: out of memory\n'

// A child of its own, which must not outlive it either.
const helper = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { stdio: 'ignore' })
log({
  started: process.pid,
  helper: helper.pid,
  args,
  visible: process.env['CUDA_VISIBLE_DEVICES'],
})

if (scenario === 'cut') fail(recorded('cut-model.stderr.txt'), 3)
if (scenario === 'medium') fail(`${OUT_OF_MEMORY}error: failed to initialize whisper context\n`, 3)
if (scenario !== 'gpu') process.stderr.write('whisper_backend_init_gpu: no GPU found\n')

const loadedAt = Date.now() + (scenario === 'slow' ? Infinity : 0)
const server = createServer((request, response) => {
  response.setHeader('server', 'whisper.cpp')
  if (request.url === '/health') {
    const loaded = Date.now() >= loadedAt
    response.writeHead(loaded ? 200 : 503, { 'content-type': 'application/json' })
    response.end(JSON.stringify({ status: loaded ? 'ok' : 'loading model' }))
    return
  }
  const chunks = []
  request.on('data', (chunk) => chunks.push(chunk))
  request.on('end', () => infer(Buffer.concat(chunks).toString('latin1'), response))
})
server.listen(Number(valueOf('--port')), valueOf('--host'))

function infer(body, response) {
  const fields = Object.fromEntries(
    [...body.matchAll(/name="(\w+)"\r\n\r\n(.*?)\r\n/g)].map(([, name, value]) => [name, value]),
  )
  log({ fields })
  process.stderr.write('whisper_print_progress_callback: progress =  50%\n')
  switch (scenario) {
    case 'refuse':
      response.writeHead(400, { 'content-type': 'text/plain' })
      response.end('Invalid request')
      return
    case 'oom':
      process.stderr.write(OUT_OF_MEMORY)
      response.writeHead(500)
      response.end('{"error":"failed to process audio"}')
      return
    case 'half':
      response.end(recorded('server-jfk.json').slice(0, 800))
      return
    case 'hang':
      return
    case 'crash-second':
      if (readFileSync(path.join(folder, 'server.ndjson'), 'utf8').split('"fields"').length === 3) {
        process.stderr.write('GGML_ASSERT(buffer) failed\n')
        process.kill(process.pid, 'SIGABRT')
        return
      }
  }
  if (fields.detect_language === 'true') {
    response.end(recorded('server-detect.json'))
    return
  }
  if (fields.language === 'auto') {
    process.stderr.write('whisper_full_with_state: auto-detected language: en (p = 0.958404)\n')
  }
  response.writeHead(200, { 'content-type': 'application/json' })
  response.end(
    scenario === 'silent'
      ? JSON.stringify({ ...JSON.parse(recorded('server-jfk.json')), text: '', segments: [] })
      : recorded('server-jfk.json'),
  )
}

function fail(text, exitCode) {
  process.stderr.write(text)
  process.exit(exitCode)
}
