import ipaddr from 'ipaddr.js'

type Address = ipaddr.IPv4 | ipaddr.IPv6

export type Network = [Address, number]

/** An address or a CIDR network, IPv6 also in brackets; null: neither. */
export function parseNetwork(entry: string): Network | null {
  const text = entry.replace(/^\[(.*)\]$/, '$1')
  if (ipaddr.isValidCIDR(text)) return ipaddr.parseCIDR(text)
  if (!ipaddr.isValid(text)) return null
  const ip = ipaddr.parse(text)
  return [ip, ip.kind() === 'ipv4' ? 32 : 128]
}

export function isWithin(ip: Address, networks: readonly Network[]): boolean {
  return networks.some(([net, bits]) => net.kind() === ip.kind() && ip.match(net, bits))
}

/** @throws when the text is no IP address. */
export function isPublicAddress(address: string): boolean {
  return isPublic(unwrapped(ipaddr.parse(address)))
}

export function isPublic(address: Address): boolean {
  if (address.range() !== 'unicast') return false
  if (address.kind() === 'ipv4') return true
  const bytes = address.toByteArray()
  // The range allocated so far (https://www.iana.org/assignments/ipv6-address-space).
  return (bytes[0]! & 0xe0) === 0x20 && !isIsatap(bytes)
}

/** ISATAP (RFC 5214): a tunnel to the IPv4 address at its end, which may be any. */
function isIsatap(bytes: readonly number[]): boolean {
  return [0, 2].includes(bytes[8]!) && bytes[9] === 0 && bytes[10] === 0x5e && bytes[11] === 0xfe
}

/** The IPv4 address in an IPv6 one (RFC 4291, 6052, 3056), else the address itself. */
export function unwrapped(ip: Address): Address {
  if (ip.kind() === 'ipv4') return ip
  const six = ip as ipaddr.IPv6
  if (six.isIPv4MappedAddress()) return six.toIPv4Address()
  const bytes = six.toByteArray()
  const range = six.range()
  // In 64:ff9b:1::/48 its position is unknown (RFC 8215): such an address is not public.
  if (range === 'rfc6052' && bytes.slice(4, 12).every((byte) => byte === 0))
    return new ipaddr.IPv4(bytes.slice(12))
  if (range === '6to4') return new ipaddr.IPv4(bytes.slice(2, 6))
  // ::a.b.c.d, deprecated by RFC 4291.
  if (bytes.slice(0, 12).every((byte) => byte === 0) && bytes[12] !== 0)
    return new ipaddr.IPv4(bytes.slice(12))
  return six
}

/** Without brackets and a trailing dot. */
export function hostOf(url: URL): string {
  return url.hostname
    .toLowerCase()
    .replace(/^\[(.*)\]$/, '$1')
    .replace(/\.$/, '')
}

export function isOwnName(host: string): boolean {
  return host === 'localhost' || host.endsWith('.localhost')
}

export function isOwnAddress(host: string): boolean {
  if (!ipaddr.isValid(host)) return isOwnName(host)
  return unwrapped(ipaddr.parse(host)).range() === 'loopback'
}

/** The network of one host: an IPv4 address, or 64 bits of IPv6. Other text is returned unchanged. */
export function networkOf(address: string): string {
  if (!ipaddr.isValid(address)) return address
  const ip = unwrapped(ipaddr.parse(address))
  return ip.kind() === 'ipv4' ? ip.toString() : ip.toByteArray().slice(0, 8).join(' ')
}
