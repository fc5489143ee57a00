// Calls the coordinator as users of the openai package do; prints what came, as JSON.
import { createReadStream } from 'node:fs'
import { createRequire } from 'node:module'

const [packages, clip] = process.argv.slice(2)
const { OpenAI, toFile } = createRequire(`${packages}/`)('openai')
const client = new OpenAI({ maxRetries: 0 })
const ask = async (more) =>
  await client.audio.transcriptions.create({
    file: createReadStream(clip),
    model: 'whisper-1',
    ...more,
  })

const found = {}
for (const form of ['json', 'verbose_json', 'text', 'srt', 'vtt'])
  found[form] = await ask({ response_format: form })
found.granularities = await ask({
  response_format: 'verbose_json',
  timestamp_granularities: ['word', 'segment'],
})
found.stream = []
for await (const event of await ask({ stream: true })) found.stream.push(event)
const { response } = await client.audio.transcriptions
  .create(
    { file: createReadStream(clip), model: 'gpt-4o-transcribe', language: 'en', temperature: 0.2 },
    { headers: { prefer: 'respond-async' } },
  )
  .withResponse()
found.async = [
  response.status,
  response.headers.get('location'),
  response.headers.get('morag-warning'),
]
found.models = []
for await (const { id } of client.models.list()) found.models.push(id)

found.errors = {}
const fails = async (name, call) => {
  try {
    await call()
  } catch (error) {
    found.errors[name] = [error.constructor.name, error.code, error.message]
  }
}
await fails('model', async () => await ask({ model: 'nobody-has-it' }))
await fails(
  'noise',
  async () => await ask({ file: await toFile(Buffer.from('no media'), 'a.mp3') }),
)
await fails(
  'translation',
  async () =>
    await client.audio.translations.create({ file: createReadStream(clip), model: 'whisper-1' }),
)
await fails('speakers', async () => await ask({ response_format: 'diarized_json' }))
await fails('key', async () => await client.withOptions({ apiKey: 'sk-wrong' }).models.list())
const all = await Promise.all([ask({}), ask({}), ask({})])
found.at_once = all.map(({ text }) => text)
console.log(JSON.stringify(found))
