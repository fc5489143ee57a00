import { createWriteStream } from 'node:fs'
import { pipeline } from 'node:stream/promises'
import { Agent, fetch } from 'undici'

/** Where it cannot be reached this is to be known soon. */
const CONNECT_MS = 5_000
/** How long it may send nothing. */
const IDLE_MS = 30_000

/**
 * Fetches a file of a Hugging Face repository.
 * @param repository `owner/name`
 * @throws {Error} when it cannot be reached, refuses, or stops sending.
 */
export async function fetchFromHub(
  repository: string,
  name: string,
  target: string,
  signal: AbortSignal,
): Promise<void> {
  const url = `https://huggingface.co/${repository}/resolve/main/${name}`
  const dispatcher = new Agent({
    connect: { timeout: CONNECT_MS },
    headersTimeout: IDLE_MS,
    bodyTimeout: IDLE_MS,
  })
  try {
    const response = await fetch(url, { dispatcher, signal })
    if (!response.ok || response.body === null) {
      throw new Error(`${url} answered ${response.status}`)
    }
    await pipeline(response.body, createWriteStream(target), { signal })
  } finally {
    await dispatcher.destroy()
  }
}
