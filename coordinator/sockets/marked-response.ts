import { ServerResponse, type IncomingMessage } from 'node:http'
import { COORDINATOR_MARK, MARK_VALUE } from '../../shared/coordinator-mark.ts'

/** Every answer of our server, also one that Node gives before any route is asked: it carries the mark. */
export class MarkedResponse<
  Request extends IncomingMessage = IncomingMessage,
> extends ServerResponse<Request> {
  constructor(...args: ConstructorParameters<typeof ServerResponse<Request>>) {
    super(...args)
    this.setHeader(COORDINATOR_MARK, MARK_VALUE)
  }
}
