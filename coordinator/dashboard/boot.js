/**
 * Starts the page. A network that changes while its files come, as a laptop's does, cuts some of them off: then it is
 * fetched again, so long as that may help.
 */
const KEY = 'morag-boots'
const MOST = 5
const AGAIN_MS = 1_000

try {
  await import('./main.js')
  sessionStorage.removeItem(KEY)
} catch (error) {
  const boots = Number(sessionStorage.getItem(KEY) ?? 0) + 1
  sessionStorage.setItem(KEY, String(boots))
  const place = document.getElementById('main')
  if (place !== null) place.textContent = 'This page could not be fetched whole.'
  if (boots > MOST) throw error
  setTimeout(() => location.reload(), AGAIN_MS * boots)
}
