import { API } from '../../shared/wire.ts'
import type { Role } from './roles.ts'

/** Who may use a route: these roles and `admin`, or everybody, also without a token. */
export type Rule = readonly Role[] | 'open'

/** Below the API's root. Which jobs one sees through a route is said in `ownership.ts`. */
const API_RULES: Readonly<Record<string, Rule>> = {
  'GET /health': 'open',
  'GET /ready': 'open',
  'GET /openapi.json': 'open',
  'GET /metrics': ['read'],
  // To a submitter of its own jobs alone.
  'GET /events': ['submit', 'read'],
  'GET /session': ['submit', 'read'],
  'POST /session': 'open',
  'DELETE /session': 'open',

  'POST /remote-jobs': ['submit'],
  'GET /remote-jobs': ['submit', 'read'],
  'GET /remote-jobs/:id': ['submit', 'read'],
  'GET /remote-jobs/:id/status': ['submit', 'read', 'worker'],
  'GET /remote-jobs/:id/result': ['submit', 'read'],
  'GET /remote-jobs/:id/:file{result\\.(md|json|srt|vtt|txt)}': ['submit', 'read'],
  'GET /remote-jobs/:id/source': ['submit', 'read'],
  'GET /remote-jobs/:id/artifacts': ['submit', 'read'],
  'GET /remote-jobs/:id/artifacts/:name': ['submit', 'read'],
  'POST /remote-jobs/:id/cancel': ['submit'],

  'GET /remote-jobs/poll': ['worker'],
  'POST /remote-jobs/claim': ['worker'],
  'GET /remote-jobs/:id/download': ['worker'],
  'PUT /remote-jobs/:id/result': ['worker'],
  'PUT /remote-jobs/:id/artifacts/:name': ['worker'],
  'POST /remote-jobs/:id/release': ['worker'],
  'POST /workers/:id/heartbeat': ['worker'],
  'POST /workers/register': ['register'],

  'POST /remote-jobs/:id/retry': [],
  'POST /remote-jobs/:id/reassign': [],
  'POST /remote-jobs/:id/continuation/retry': [],
  'DELETE /remote-jobs/:id': [],
  'POST /remote-jobs/cleanup': [],
  'GET /workers': ['read'],
  'DELETE /workers/:id': [],
  'POST /workers/:id/drain': [],
  'POST /workers/:id/resume': [],

  // The MoRAG server's, which shows no key: the path is the secret.
  'POST /ingestion/callbacks/:id/:token': 'open',
  'POST /process': ['submit'],
  'POST /ingest/file': ['submit'],
  'DELETE /ingest/:task': ['submit'],
  'GET /status/:task': ['submit', 'read'],
  // The MoRAG server's own.
  'GET /*': ['submit', 'read'],
  'ALL /*': ['submit'],
}

/**
 * The one table of who may what, `METHOD /path` as the app has its routes. A route that is not in it is for `admin`
 * alone; a test holds the two together. HEAD counts as GET.
 */
export const PERMISSIONS: Readonly<Record<string, Rule>> = {
  'GET /health': 'open',
  'GET /ready': 'open',
  'GET /openapi.json': 'open',
  'GET /docs': 'open',
  'GET /': 'open',
  'GET /dashboard/:file': 'open',
  'GET /metrics': ['read'],
  ...Object.fromEntries(
    Object.entries(API_RULES).map(([route, rule]) => [route.replace(' /', ` ${API}/`), rule]),
  ),
}

const ADMIN_ALONE: Rule = []

/** @param path the route's, not the request's. */
export function ruleOf(method: string, path: string): Rule {
  const asked = method === 'HEAD' ? 'GET' : method
  return PERMISSIONS[`${asked} ${path}`] ?? PERMISSIONS[`ALL ${path}`] ?? ADMIN_ALONE
}

export function allows(rule: Rule, role: Role): boolean {
  return rule === 'open' || role === 'admin' || rule.includes(role)
}
