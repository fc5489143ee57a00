// program.mjs CLIENT URL CLIP: what a user of the client does, in each of the runtimes; prints it as JSON.
import { createReadStream, readFileSync } from 'node:fs'
import process from 'node:process'
import { pathToFileURL } from 'node:url'

const [client, url, clip] = process.argv.slice(2)
const { MoragClient, MoragError } = await import(pathToFileURL(client))
const morag = new MoragClient({ url, apiKey: process.env.MORAG_API_KEY })
const bytes = readFileSync(clip)

const found = {}
for (const [name, source] of [
  ['path', clip],
  ['bytes', bytes],
  ['file', new File([bytes], 'a "clip".wav', { type: 'audio/wav' })],
  ['web stream', new Blob([bytes]).stream()],
  ['node stream', createReadStream(clip)],
]) {
  const { job_id: id } = await morag.submit(source)
  const states = new Set()
  await morag.wait(id, { onProgress: ({ status }) => states.add(status), pollMs: 200 })
  const { source: sent } = await morag.job(id)
  const { segments } = await morag.result(id, 'json')
  found[name] = [sent.filename, sent.size_bytes, segments.map(({ text }) => text).join(' ')]
  found.states = [...states].at(-1)
}
const { job_id: id } = await morag.submit(clip)
const text = []
for await (const event of morag.stream(id))
  if (event.type === 'text') text.splice(event.first, Infinity, ...event.segments)
found.stream = text.map((one) => one.text).join(' ')
found.srt = await morag.result(id, 'srt')
const stop = new AbortController()
const { job_id: other } = await morag.submit(clip, { content_type: 'document' })
setTimeout(() => stop.abort(new Error('enough')), 50)
found.aborted = await morag.wait(other, { signal: stop.signal }).catch(({ message }) => message)
found.cancelled = (await morag.cancel(other)).status
found.error = await morag.status('none').catch((error) => {
  return [error instanceof MoragError, error.code, error.status]
})
console.log(JSON.stringify(found))
