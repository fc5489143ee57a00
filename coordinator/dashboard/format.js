const numbers = new Intl.NumberFormat('en')
const instants = new Intl.DateTimeFormat('en', { dateStyle: 'medium', timeStyle: 'medium' })

/** @param {number} value */
export function count(value) {
  return numbers.format(value)
}

/** @param {number} value @param {string} one @param {string} [many] */
export function plural(value, one, many = `${one}s`) {
  return `${count(value)} ${value === 1 ? one : many}`
}

/** @param {number} value */
export function bytes(value) {
  if (value === 1) return '1 byte'
  const units = ['bytes', 'kB', 'MB', 'GB', 'TB']
  let unit = 0
  for (; value >= 999.5 && unit < units.length - 1; unit += 1) value /= 1000
  return `${unit === 0 || value >= 9.95 ? Math.round(value) : value.toFixed(1)} ${units[unit]}`
}

/** A duration in two units: `2 h 5 min`. @param {number} seconds */
export function span(seconds) {
  const whole = Math.max(0, Math.round(seconds))
  if (whole < 60)
    return seconds < 9.95 && seconds % 1 > 0.05 ? `${seconds.toFixed(1)} s` : `${whole} s`
  const minutes = Math.floor(whole / 60)
  if (minutes < 60) return twoUnits(minutes, 'min', whole % 60, 's')
  const hours = Math.floor(minutes / 60)
  if (hours < 48) return twoUnits(hours, 'h', minutes % 60, 'min')
  return twoUnits(Math.floor(hours / 24), 'd', hours % 24, 'h')
}

/** @param {number} large @param {string} unit @param {number} small @param {string} smaller */
function twoUnits(large, unit, small, smaller) {
  return small === 0 ? `${large} ${unit}` : `${large} ${unit} ${small} ${smaller}`
}

/** A duration in one unit: `2 h`. @param {number} seconds */
export function about(seconds) {
  const whole = Math.max(0, Math.round(seconds))
  if (whole < 60) return `${whole} s`
  if (whole < 3600) return `${Math.floor(whole / 60)} min`
  return whole < 172_800 ? `${Math.floor(whole / 3600)} h` : `${Math.floor(whole / 86_400)} d`
}

/** A position in a recording: `1:02:03`. @param {number} seconds */
export function position(seconds) {
  const whole = Math.max(0, Math.floor(seconds))
  const [h, m, s] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60]
  const two = (/** @type {number} */ part) => String(part).padStart(2, '0')
  return h > 0 ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`
}

/** @param {string} iso */
export function instant(iso) {
  return instants.format(new Date(iso))
}

/** @param {number} part 0 to 1 */
export function percent(part) {
  return `${Math.floor(part * 100)} %`
}

/** Joins the parts that are not empty. @param {string} separator @param {string[]} parts */
export function joined(separator, ...parts) {
  return parts.filter((part) => part !== '').join(separator)
}
