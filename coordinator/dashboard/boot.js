/** Starts the page. If one of its modules fails to load (a network that changes), the page reloads itself a few times. */
const KEY = 'morag-boots'
const MAX_BOOTS = 5
const RETRY_MS = 1_000

try {
  await import('./main.js')
  sessionStorage.removeItem(KEY)
} catch (error) {
  const boots = Number(sessionStorage.getItem(KEY) ?? 0) + 1
  sessionStorage.setItem(KEY, String(boots))
  const place = document.getElementById('main')
  const isLast = boots > MAX_BOOTS
  const next = isLast ? 'Reload it to try again.' : 'Retrying …'
  if (place !== null) place.textContent = `The page failed to load completely. ${next}`
  if (isLast) throw error
  setTimeout(() => location.reload(), RETRY_MS * boots)
}
