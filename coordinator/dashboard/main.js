import { onSignedOut, Refusal } from './api.js'
import { banner, problemsShown } from './banner.js'
import { filesInto } from './drop.js'
import { plural } from './format.js'
import { JobList } from './job-list.js'
import { JobPage } from './job-page.js'
import { jobView } from './job.js'
import { jobsView } from './jobs.js'
import { render } from './morph.js'
import { unsay } from './notice.js'
import { overview } from './overview.js'
import { pollOnce } from './poll.js'
import { routeOf } from './route.js'
import { signIn } from './sign-in.js'
import { Store } from './store.js'
import { Stream } from './stream.js'
import { footer, topBar } from './top-bar.js'
import { Uploads } from './uploads.js'
import { workersView } from './workers.js'

/** The dashboard: one store that the stream keeps up to date, and the view of it that the URL asks for. */

/** No more often than this, however much is told; and a page that is heavy to draw has time for its reader. */
const CALM_MS = 150
const CALM_TIMES = 4
/** What is told in "… ago" moves without being told. */
const TICK_MS = 1_000
/** A page that nobody looks at needs no stream. */
const HIDDEN_MS = 5 * 60_000

const store = new Store(() => later())
const list = new JobList(store)
const uploads = new Uploads(() => later())
const stream = new Stream(store, async () => await pollOnce(store))
/** @type {JobPage | null} */
let page = null
/** Which view is on the page. */
let shown = ''
let isDue = false
/** How long it took to draw last. */
let drawnMs = 0
let isSigningIn = false

const [top, main, bottom] = ['top', 'main', 'bottom'].map(
  (id) => /** @type {HTMLElement} */ (document.getElementById(id)),
)

function later() {
  if (isDue) return
  isDue = true
  const calmMs = Math.max(CALM_MS, CALM_TIMES * drawnMs)
  setTimeout(() => requestAnimationFrame(draw), calmMs)
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
  shown = titleOf(route)
  tell(problemsShown(store).length)
  const title = main.querySelector('h1')?.textContent ?? ''
  document.title = title === '' ? 'MoRAG' : `${title} · MoRAG`
  drawnMs = performance.now() - begun
}

/** @param {import('./route.js').Route} route */
function titleOf(route) {
  return route.view === 'job' ? route.jobId : route.view
}

/** Tells screen readers of what they cannot see come and go. @param {number} problems */
function tell(problems) {
  const place = document.getElementById('told')
  const text = problems === 0 ? '' : `${plural(problems, 'thing needs', 'things need')} a look`
  if (place !== null && place.textContent !== text) place.textContent = text
}

/** @param {import('./route.js').Route} route */
function viewOf(route) {
  // Nothing can be asked for yet.
  if (store.session === null) return []
  if (route.view !== 'job') page = null
  switch (route.view) {
    case 'overview':
      return overview(store)
    case 'workers':
      return workersView(store)
    case 'jobs':
      return jobsView(store, list, route.filter)
    case 'job':
      if (page?.jobId !== route.jobId) page = new JobPage(store, route.jobId)
      page.refresh()
      return jobView(store, page)
  }
}

/** Finds out who one is, signs in where need be, and begins. */
async function enter() {
  if (isSigningIn) return
  isSigningIn = true
  stream.close()
  try {
    for (;;) {
      try {
        await store.whoAmI()
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

/** Leaves nothing to be read by whoever comes next. */
function leave() {
  store.forget()
  unsay()
  draw()
}

onSignedOut.call = () => void enter()

addEventListener('hashchange', () => {
  const isOther = titleOf(routeOf(location.hash)) !== shown
  draw()
  // Whoever types a filter stays there.
  if (!isOther) return
  // Screen readers go on from the new view.
  main?.focus({ preventScroll: true })
  scrollTo(0, 0)
})
addEventListener('beforeunload', (event) => {
  if (uploads.view() !== null) event.preventDefault()
})
document.getElementById('skip')?.addEventListener('click', (event) => {
  // The place behind # is the view's.
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
draw()
void enter()
