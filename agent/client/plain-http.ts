import { lookup } from 'node:dns/promises'
import { isIP } from 'node:net'
import { hostOf, isOwnName, isPublicAddress } from '../../shared/addresses.ts'

type Lookup = (host: string) => Promise<{ address: string }[]>

const systemLookup: Lookup = async (host) => await lookup(host, { all: true })

/**
 * Whether what is sent to a coordinator can be read on the way: plain http to an address of the public internet. A name
 * that nobody knows is not: nothing gets there.
 */
export async function isReadOnTheWay(
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

/** What to say of it, and what to do. */
export function readOnTheWayText(coordinator: string): string {
  return `The key for ${coordinator} travels over plain http through a public network, where others can read it: use https.`
}
