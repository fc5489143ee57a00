import { messageOf } from '../../shared/errors.ts'
import type { Reporter } from '../progress/reporter-kinds.ts'
import type { Client } from './client.ts'
import type { Contact } from './contact.ts'
import { deliver } from './delivery.ts'
import { deliveryName } from './delivery-record.ts'
import { isTransient } from '../../shared/refusal.ts'
import { Outbox } from './outbox.ts'

/** Opens the outbox for one coordinator, and reports what becomes of its deliveries. */
export async function openCoordinatorOutbox(
  folder: string,
  { client, contact, reporter }: { client: Client; contact: Contact; reporter: Reporter },
): Promise<Outbox> {
  return await Outbox.open(folder, {
    deliver: (delivery, files, signal, onSent) =>
      deliver(client, delivery, {
        folder: files,
        signal,
        onSent,
        onSkipped(artifact, error) {
          const text = `${artifact} of the ${deliveryName(delivery)} is left out: ${messageOf(error)}`
          reporter.event('warn', text, { job_id: delivery.jobId })
        },
      }),
    onFilesLost(delivery, error) {
      const text = `The ${deliveryName(delivery)} is sent without its files, which could not be saved: ${messageOf(error)}`
      reporter.event('warn', text, { job_id: delivery.jobId })
    },
    onDelivered: () => contact.note('result', null),
    onRefused(delivery, file, error) {
      if (delivery !== null) contact.note('result', null)
      const what = delivery === null ? 'A file of the outbox' : `The ${deliveryName(delivery)}`
      const text = `${what} was refused and is kept in ${file}: ${messageOf(error)}`
      reporter.event('error', text, { job_id: delivery?.jobId })
    },
    onDelayed(delivery, error, failures) {
      if (failures > 0) contact.note('result', error)
      // The contact has reported a coordinator that is away; any other error is reported the first time.
      const level = isTransient(error) || failures > 1 ? 'debug' : 'warn'
      const what = failures === 0 ? 'could not be saved and is sent unsaved' : 'waits'
      const text = `The ${deliveryName(delivery)} ${what}: ${messageOf(error)}`
      reporter.event(level, text, { job_id: delivery.jobId })
    },
  })
}
