import { onSignedOut, Refusal } from './api.js'
import { banner, problemCount, problemsShown } from './banner.js'
import { addressesInto, filesInto } from './drop.js'
import { JobList } from './job-list.js'
import { JobPage } from './job-page.js'
import { jobView } from './job.js'
import { jobsView } from './jobs.js'
import { render } from './morph.js'
import { clearNotices } from './notice.js'
import { overview } from './overview.js'
import { pollOnce } from './poll.js'
import { linkedHash, routeOf } from './route.js'
import { signIn } from './sign-in.js'
import { Store } from './store.js'
import { Stream } from './stream.js'
import { footer, topBar } from './top-bar.js'
import { submitAddress, Uploads } from './uploads.js'
import { UsagePage, usageView } from './usage.js'
import { workersView } from './workers.js'

/** Entry point: one store, kept current by the event stream, and the view that the URL selects. */

/** Pause before a redraw: at least this, and a multiple of the last drawing time, so that slow pages stay usable. */
const REDRAW_MS = 150
const REDRAW_FACTOR = 4
/** Redraws relative times ("3 min ago"). */
const TICK_MS = 1_000
/** A hidden page closes its stream after this. */
const HIDDEN_MS = 5 * 60_000

const linked = linkedHash(location.search, location.hash)
if (linked !== null) history.replaceState(null, '', location.pathname + linked)

const store = new Store(() => later())
const list = new JobList(store)
const usage = new UsagePage(store)
const uploads = new Uploads(() => later())
const stream = new Stream(store, async () => await pollOnce(store))
/** @type {JobPage | null} */
let page = null
let drawnView = ''
let isDue = false
let lastDrawMs = 0
let isSigningIn = false

const [top, main, bottom] = ['top', 'main', 'bottom'].map(
  (id) => /** @type {HTMLElement} */ (document.getElementById(id)),
)

function later() {
  if (isDue) return
  isDue = true
  const pauseMs = Math.max(REDRAW_MS, REDRAW_FACTOR * lastDrawMs)
  setTimeout(() => requestAnimationFrame(draw), pauseMs)
}

function draw() {
  isDue = false
  if (top === undefined || main === undefined || bottom === undefined) return
  const begun = performance.now()
  const route = routeOf(location.hash)
  render(
    top,
    topBar(store, route, (files) => uploads.add(files), enter),
  )
  render(main, [uploads.view(), banner(store, route.view === 'overview'), ...viewOf(route)])
  render(bottom, footer(store))
  drawnView = viewKey(route)
  announce(problemsShown(store).length)
  const title = main.querySelector('h1')?.textContent ?? ''
  document.title = title === '' ? 'MoRAG' : `${title} · MoRAG`
  lastDrawMs = performance.now() - begun
}

/** @param {import('./route.js').Route} route */
function viewKey(route) {
  return route.view === 'job' ? route.jobId : route.view
}

/** For screen readers. @param {number} problems */
function announce(problems) {
  const place = document.getElementById('announcement')
  const text = problems === 0 ? '' : problemCount(problems)
  if (place !== null && place.textContent !== text) place.textContent = text
}

/** @param {import('./route.js').Route} route */
function viewOf(route) {
  if (store.session === null) return []
  if (route.view !== 'job') page = null
  switch (route.view) {
    case 'overview':
      return overview(store)
    case 'workers':
      return workersView(store)
    case 'usage':
      usage.show(route.days)
      return usageView(usage)
    case 'jobs':
      return jobsView(store, list, route.filter)
    case 'job':
      if (page?.jobId !== route.jobId) page = new JobPage(store, route.jobId)
      page.refresh()
      return jobView(store, page, route.at)
  }
}

/** Reads the session, asks for a token if necessary, and opens the stream. */
async function enter() {
  if (isSigningIn) return
  isSigningIn = true
  stream.close()
  try {
    for (;;) {
      try {
        await store.loadSession()
        break
      } catch (error) {
        if (!(error instanceof Refusal)) throw error
        if (error.status === 401 || error.status === 403) {
          leave()
          await signIn()
        } else await new Promise((resolve) => setTimeout(resolve, 3_000))
        if (error.status === 0) store.setConnection('lost')
      }
    }
  } finally {
    isSigningIn = false
  }
  stream.open()
}

/** Removes everything the previous session could read. */
function leave() {
  store.clear()
  usage.clear()
  clearNotices()
  draw()
}

onSignedOut.call = () => void enter()

addEventListener('hashchange', () => {
  const isOther = viewKey(routeOf(location.hash)) !== drawnView
  draw()
  // A changed filter keeps the focus in its field.
  if (!isOther) return
  main?.focus({ preventScroll: true })
  scrollTo(0, 0)
})
addEventListener('beforeunload', (event) => {
  if (uploads.view() !== null) event.preventDefault()
})
document.getElementById('skip')?.addEventListener('click', (event) => {
  // The URL's fragment selects the view.
  event.preventDefault()
  main?.focus()
})

/** @type {ReturnType<typeof setTimeout> | undefined} */
let hidden
addEventListener('visibilitychange', () => {
  clearTimeout(hidden)
  if (document.hidden) hidden = setTimeout(() => stream.close(), HIDDEN_MS)
  else if (store.session !== null && !stream.isOpen) stream.open()
})
setInterval(() => {
  if (!document.hidden) later()
}, TICK_MS)

filesInto((files) => {
  if (store.maySubmit) uploads.add(files)
})
addressesInto((url) => {
  if (store.maySubmit) void submitAddress(url)
})
draw()
void enter()
