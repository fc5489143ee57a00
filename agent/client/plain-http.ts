import { lookup } from 'node:dns/promises'
import { isIP } from 'node:net'
import { hostOf, isOwnName, isPublicAddress } from '../../shared/addresses.ts'

type Lookup = (host: string) => Promise<{ address: string }[]>

const systemLookup: Lookup = async (host) => await lookup(host, { all: true })

/** Whether requests to a coordinator can be read by others: plain http to an address of the public internet. */
export async function isExposed(
  coordinator: string,
  find: Lookup = systemLookup,
): Promise<boolean> {
  const url = new URL(coordinator)
  const host = hostOf(url)
  if (url.protocol !== 'http:' || isOwnName(host)) return false
  if (isIP(host) !== 0) return isPublicAddress(host)
  const found = await find(host).catch(() => [])
  return found.some(({ address }) => isPublicAddress(address))
}

export async function exposureWarning(coordinator: string): Promise<string | null> {
  if (!(await isExposed(coordinator))) return null
  return `The key for ${coordinator} is sent over plain http through a public network, where others can read it: use https.`
}
