import type { Socket } from 'node:net'
import { buildConnector, Pool, type Dispatcher } from 'undici'
import { isSystemError } from './errors.ts'
import { startTimer } from './timers.ts'

const RETRY_MS = 20

/**
 * The `factory` of undici's agents. Undici 7 throws an assertion, from an event that no caller can catch, when a server
 * closes the connection of an answer whose reader is slower (nodejs/undici#5360; mended in version 8, which needs Node
 * 22.19). Here the end of the connection waits until the answer is read.
 */
export function patientPool(origin: string | URL, options: object): Dispatcher {
  const { connect } = options as Pool.Options
  const connector = typeof connect === 'function' ? connect : buildConnector({ ...connect })
  return new Pool(origin, {
    ...options,
    connect(target, callback) {
      connector(target, (...result) => {
        const [, socket] = result
        if (socket !== null && socket !== undefined) delayEnd(socket)
        callback(...result)
      })
    },
  })
}

/** Listeners for the socket's end that find a paused parser are called again later, for as long as it is open. */
function delayEnd(socket: Socket): void {
  // It closes when they have done their work.
  socket.allowHalfOpen = true
  const on = socket.on.bind(socket) as (name: string, listener: Listener) => Socket
  socket.on = (name: string, listener: Listener): Socket => {
    if (name !== 'end') return on(name, listener)
    const patient = Object.assign(
      (): void => {
        try {
          if (!socket.destroyed) listener.call(socket)
        } catch (error) {
          if (!isSystemError(error, 'ERR_ASSERTION')) throw error
          startTimer(patient, RETRY_MS)
        }
      },
      // So that it can be removed.
      { listener },
    )
    return on(name, patient)
  }
}

type Listener = (this: Socket, ...args: never[]) => void
