import ipaddr from 'ipaddr.js'

type Address = ipaddr.IPv4 | ipaddr.IPv6

/** Whether an IP address, in any spelling, is one of the public internet. @throws when it is no address. */
export function isPublicAddress(address: string): boolean {
  return isPublic(unwrapped(ipaddr.parse(address)))
}

export function isPublic(address: Address): boolean {
  return address.range() === 'unicast'
}

/** The IPv4 address that an IPv6 one carries (RFC 4291, 6052, 3056), else the address itself. */
export function unwrapped(ip: Address): Address {
  if (ip.kind() === 'ipv4') return ip
  const six = ip as ipaddr.IPv6
  if (six.isIPv4MappedAddress()) return six.toIPv4Address()
  const bytes = six.toByteArray()
  const range = six.range()
  if (range === 'rfc6052') return new ipaddr.IPv4(bytes.slice(12))
  if (range === '6to4') return new ipaddr.IPv4(bytes.slice(2, 6))
  // ::a.b.c.d, which nobody uses in earnest (deprecated by RFC 4291).
  if (bytes.slice(0, 12).every((byte) => byte === 0) && bytes[12] !== 0)
    return new ipaddr.IPv4(bytes.slice(12))
  return six
}

/** A host as a URL has it, without brackets and the root's dot. */
export function hostOf(url: URL): string {
  return url.hostname
    .toLowerCase()
    .replace(/^\[(.*)\]$/, '$1')
    .replace(/\.$/, '')
}

/** Whether a name or address is this machine's own, as far as its text tells. */
export function isOwnName(host: string): boolean {
  return host === 'localhost' || host.endsWith('.localhost')
}

/** Whether a host, by its name or address, is this machine alone. */
export function isOwnAddress(host: string): boolean {
  if (!ipaddr.isValid(host)) return isOwnName(host)
  return unwrapped(ipaddr.parse(host)).range() === 'loopback'
}

/** What one host has: an IPv4 address, or an IPv6 network of 64 bits. Text that is no address is returned as it is. */
export function networkOf(address: string): string {
  if (!ipaddr.isValid(address)) return address
  const ip = unwrapped(ipaddr.parse(address))
  return ip.kind() === 'ipv4' ? ip.toString() : ip.toByteArray().slice(0, 8).join(' ')
}
