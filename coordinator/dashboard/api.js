/** Relative: a proxy may serve the page below a path. */
const API = new URL('api/v1/', document.baseURI)
/** Pages of other origins cannot send this header. */
const CSRF_HEADER = { 'x-morag-csrf': '1' }

/** The coordinator refused a request, or could not be reached (`status` 0). */
export class Refusal extends Error {
  /** @param {number} status @param {string} message */
  constructor(status, message) {
    super(message)
    this.name = 'Refusal'
    this.status = status
  }
}

/** Called when a request is answered with 401. @type {{ call: () => void }} */
export const onSignedOut = { call: () => undefined }

/** @param {string} path below the API's root */
export function urlOf(path) {
  return new URL(path, API).href
}

/**
 * @param {string} method
 * @param {string} path
 * @param {unknown} [json]
 * @returns {Promise<any>} the answer
 * @throws {Refusal}
 */
export async function ask(method, path, json) {
  const body = json === undefined ? {} : { body: JSON.stringify(json) }
  const type = json === undefined ? {} : { 'content-type': 'application/json' }
  const headers = { ...CSRF_HEADER, ...type }
  const answer = await reach(urlOf(path), { method, headers, ...body })
  const text = await answer.text()
  if (!answer.ok) throw refusalOf(answer.status, text)
  return JSON.parse(text)
}

/** @param {string} url @param {RequestInit} request @returns {Promise<Response>} */
async function reach(url, request) {
  try {
    return await fetch(url, request)
  } catch {
    throw new Refusal(0, 'Cannot reach the coordinator.')
  }
}

/** @param {number} status @param {string} text */
function refusalOf(status, text) {
  if (status === 401) onSignedOut.call()
  return new Refusal(
    status,
    detailOf(text) ?? `The coordinator answered with HTTP status ${status}.`,
  )
}

/** @param {string} text @returns {string | null} */
function detailOf(text) {
  try {
    const { detail } = JSON.parse(text)
    if (typeof detail === 'string') return detail
    return detail.map((/** @type {{ msg: string }} */ one) => one.msg).join(' ')
  } catch {
    return null
  }
}

/**
 * Uploads a file as a new job.
 * @param {FormData} form
 * @param {(part: number) => void} onProgress 0 to 1
 * @param {AbortSignal} signal
 * @returns {Promise<{ job_id: string }>}
 * @throws {Refusal}
 */
export function upload(form, onProgress, signal) {
  return new Promise((resolve, reject) => {
    // fetch reports no upload progress.
    const request = new XMLHttpRequest()
    request.open('POST', urlOf('remote-jobs/'))
    for (const [name, value] of Object.entries(CSRF_HEADER)) request.setRequestHeader(name, value)
    request.upload.onprogress = ({ loaded, total }) => onProgress(total === 0 ? 0 : loaded / total)
    request.onload = () => {
      const { status, responseText } = request
      if (status < 300) resolve(JSON.parse(responseText))
      else reject(refusalOf(status, responseText))
    }
    request.onerror = () => reject(new Refusal(0, 'The connection was lost.'))
    request.onabort = () => reject(new Refusal(0, 'Cancelled.'))
    signal.addEventListener('abort', () => request.abort())
    request.send(form)
  })
}
