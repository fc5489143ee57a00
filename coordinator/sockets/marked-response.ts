import { ServerResponse, type IncomingMessage } from 'node:http'
import { COORDINATOR_MARK, MARK_VALUE } from '../../shared/coordinator-mark.ts'

/** Puts the coordinator's mark on every answer, also on those that Node gives itself. */
export class MarkedResponse<
  Request extends IncomingMessage = IncomingMessage,
> extends ServerResponse<Request> {
  constructor(...args: ConstructorParameters<typeof ServerResponse<Request>>) {
    super(...args)
    this.setHeader(COORDINATOR_MARK, MARK_VALUE)
  }
}
