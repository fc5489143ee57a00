import { stat } from 'node:fs/promises'
import { messageOf } from '../shared/errors.ts'
import { timeoutSignal, waitFor } from '../shared/timers.ts'

export const CLOUDS = ['aws', 'gcp', 'azure'] as const
export type Cloud = (typeof CLOUDS)[number]

/** Where each cloud's metadata service is. */
const ADDRESSES: Record<Cloud, string> = {
  aws: 'http://169.254.169.254',
  gcp: 'http://metadata.google.internal',
  azure: 'http://169.254.169.254',
}
const EVERY_MS = 1_000
const ANSWER_MS = 2_000
const TOKEN_SECONDS = 21_600

export interface PreemptionOptions {
  /** The host is to be taken away once this file exists. */
  file: string | null
  /** Whose metadata service is asked. */
  cloud: Cloud | null
  address?: string
  everyMs?: number
  /** Called once. @param source the file, or the cloud. */
  onNotice: (source: string) => void
  /** Called when the metadata service fails after it answered, or at first. */
  onTrouble: (text: string) => void
}

/** Watches for the notice that a cloud takes this host away: a file, or the answer of its metadata service. */
export class PreemptionWatch {
  readonly #options: PreemptionOptions
  readonly #closed = new AbortController()
  readonly #loop: Promise<void>
  #isAnswering = true
  #token: string | null = null
  /** Of Azure. */
  #name: string | null = null

  constructor(options: PreemptionOptions) {
    this.#options = options
    this.#loop = options.file === null && options.cloud === null ? Promise.resolve() : this.#run()
  }

  async close(): Promise<void> {
    this.#closed.abort()
    await this.#loop
  }

  async #run(): Promise<void> {
    const { everyMs = EVERY_MS, onNotice } = this.#options
    while (!this.#closed.signal.aborted) {
      const source = (await this.#inFile()) ?? (await this.#inCloud())
      if (source !== null && !this.#closed.signal.aborted) return onNotice(source)
      await waitFor(everyMs, this.#closed.signal)
    }
  }

  async #inFile(): Promise<string | null> {
    const { file } = this.#options
    return file !== null && (await stat(file).catch(() => null)) !== null ? file : null
  }

  async #inCloud(): Promise<string | null> {
    const { cloud, onTrouble } = this.#options
    if (cloud === null) return null
    const { address = ADDRESSES[cloud] } = this.#options
    try {
      const isNoticed = await this.#ask(cloud, address)
      this.#isAnswering = true
      return isNoticed ? cloud : null
    } catch (error) {
      if (this.#isAnswering && !this.#closed.signal.aborted)
        onTrouble(`cannot ask the metadata service of ${cloud} at ${address}: ${messageOf(error)}`)
      this.#isAnswering = false
      return null
    }
  }

  /**
   * By https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/spot-instance-termination-notices.html,
   * https://cloud.google.com/compute/docs/instances/spot and
   * https://learn.microsoft.com/azure/virtual-machines/linux/scheduled-events.
   */
  async #ask(cloud: Cloud, address: string): Promise<boolean> {
    if (cloud === 'gcp') {
      const url = `${address}/computeMetadata/v1/instance/preempted`
      return (await this.#get(url, { 'metadata-flavor': 'Google' })).trim() === 'TRUE'
    }
    if (cloud === 'azure') {
      const headers = { metadata: 'true' }
      // Events of all hosts of a scale set come to each of them.
      const name = `${address}/metadata/instance/compute/name?api-version=2021-02-01&format=text`
      this.#name ??= await this.#get(name, headers)
      const url = `${address}/metadata/scheduledevents?api-version=2020-07-01`
      const { Events: events = [] } = JSON.parse(await this.#get(url, headers)) as {
        Events?: { EventType?: string; Resources?: string[] }[]
      }
      return events.some(
        ({ EventType: type, Resources: hosts = [] }) =>
          (type === 'Preempt' || type === 'Terminate') && hosts.includes(this.#name!),
      )
    }
    this.#token ??= await this.#get(
      `${address}/latest/api/token`,
      { 'x-aws-ec2-metadata-token-ttl-seconds': String(TOKEN_SECONDS) },
      'PUT',
    )
    const headers = { 'x-aws-ec2-metadata-token': this.#token }
    return (await this.#get(`${address}/latest/meta-data/spot/instance-action`, headers)) !== ''
  }

  /** @returns the body; '' for 404: there is no notice. */
  async #get(
    url: string,
    headers: Record<string, string>,
    method: 'GET' | 'PUT' = 'GET',
  ): Promise<string> {
    const signal = AbortSignal.any([this.#closed.signal, timeoutSignal(ANSWER_MS)])
    // Loaded only where a cloud is asked.
    const { request } = await import('undici')
    const { statusCode, body } = await request(url, { method, headers, signal })
    const text = await body.text()
    if (statusCode === 404) return ''
    // A token of AWS runs out.
    if (statusCode === 401) this.#token = null
    if (statusCode !== 200) throw new Error(`it answers ${statusCode}`)
    return text
  }
}
