// What a page does with the client.

/** @param {{ client: string, url: string, apiKey: string, bytes: number[] }} given where the client is; the bytes of a clip */
export async function use({ client, url, apiKey, bytes }) {
  const { MoragClient } = await import(client)
  const morag = new MoragClient({ url, apiKey })
  const clip = new Uint8Array(bytes)
  const sent = async (source) => {
    const { job_id: id } = await morag.submit(source)
    await morag.wait(id)
    const [job, { segments }] = [await morag.job(id), await morag.result(id, 'json')]
    return [job.source.filename, job.source.size_bytes, segments.map(({ text }) => text).join(' ')]
  }
  const { job_id: id } = await morag.submit(clip)
  const text = []
  for await (const event of morag.stream(id))
    if (event.type === 'text') text.splice(event.first, Infinity, ...event.segments)
  const failing = async (call) => await call.catch(({ code, status }) => [code, status])
  return {
    file: await sent(new File([clip], 'clip.wav', { type: 'audio/wav' })),
    stream: await sent(new Blob([clip]).stream()),
    text: text.map((one) => one.text).join(' '),
    path: await failing(morag.submit('clip.wav')),
    error: await failing(morag.status('none')),
  }
}
