-- Instants are milliseconds since 1970, by the database's clock.

CREATE FUNCTION morag.now_ms() RETURNS bigint LANGUAGE sql VOLATILE
  AS $$ SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint $$;

CREATE TABLE morag.jobs (
  job_id uuid PRIMARY KEY,
  version bigint NOT NULL,
  -- Of the last change: tells whether a commit without an answer happened.
  mark uuid NOT NULL,
  status text NOT NULL,
  content_type text NOT NULL,
  -- The kind of its requirements; empty: none.
  requires_key text NOT NULL,
  -- Minus the priority.
  rank int NOT NULL,
  created_at bigint NOT NULL,
  -- Waits, and any worker may have it.
  ready boolean NOT NULL,
  -- From then on any worker may have it.
  open_at bigint,
  available_at bigint,
  reserved_for text,
  -- Only a coordinator may process it.
  local boolean NOT NULL,
  size_bytes bigint NOT NULL,
  attempt int NOT NULL,
  worker_id text,
  token_id text,
  claim_id text,
  submitted_by text,
  task_id text NOT NULL,
  ended_at bigint,
  -- What it has used; but for a running attempt's length, which its lease has.
  media_ms bigint NOT NULL DEFAULT 0,
  work_ms bigint NOT NULL DEFAULT 0,
  -- When the next step after its end is due. Whoever tries it moves this on: its lease.
  next_step_at bigint,
  step_receiver text,
  -- What a text is looked for in, in lower case.
  search text NOT NULL,
  -- What <job id>.json holds. Not jsonb, which refuses some texts.
  record json NOT NULL
) WITH (fillfactor = 85, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 1,
  autovacuum_analyze_scale_factor = 0.05);

CREATE INDEX jobs_ready ON morag.jobs (content_type, requires_key, rank, created_at, job_id) WHERE ready;
CREATE INDEX jobs_line ON morag.jobs (content_type, rank, created_at, job_id) INCLUDE (size_bytes)
  WHERE status = 'pending' AND NOT local;
CREATE INDEX jobs_closed ON morag.jobs (open_at) WHERE status = 'pending' AND NOT ready AND NOT local;
CREATE INDEX jobs_local ON morag.jobs (created_at) WHERE status = 'pending' AND local;
CREATE INDEX jobs_reserved ON morag.jobs (reserved_for) WHERE status = 'pending' AND reserved_for IS NOT NULL;
CREATE INDEX jobs_held ON morag.jobs (worker_id) WHERE status = 'processing';
CREATE INDEX jobs_newest ON morag.jobs (created_at DESC, job_id DESC);
CREATE INDEX jobs_by_status ON morag.jobs (status, created_at DESC, job_id DESC) INCLUDE (content_type);
CREATE INDEX jobs_own ON morag.jobs (submitted_by, created_at DESC, job_id DESC) WHERE submitted_by IS NOT NULL;
CREATE INDEX jobs_open_own ON morag.jobs (submitted_by, job_id)
  WHERE submitted_by IS NOT NULL AND status IN ('pending', 'processing');
CREATE INDEX jobs_task ON morag.jobs (task_id);
CREATE INDEX jobs_ended ON morag.jobs (ended_at) WHERE ended_at IS NOT NULL;
CREATE INDEX jobs_steps ON morag.jobs (next_step_at) WHERE next_step_at IS NOT NULL;

-- Running attempts, as last renewed. A crash of the server empties it: then each gets a fresh term.
-- No second index, so that a renewal touches none.
CREATE UNLOGGED TABLE morag.leases (
  job_id uuid PRIMARY KEY,
  attempt int NOT NULL,
  rev bigint NOT NULL,
  -- When it runs out if nothing comes; null: never.
  due_at bigint,
  lease json NOT NULL
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.05);

-- Kinds of work that have waited lately.
CREATE TABLE morag.shelves (
  content_type text NOT NULL,
  requires_key text NOT NULL,
  requirements json NOT NULL,
  used_at bigint NOT NULL,
  PRIMARY KEY (content_type, requires_key)
);

-- What agents say of themselves. A crash of the server empties it: they say it again.
CREATE UNLOGGED TABLE morag.workers (
  worker_id text PRIMARY KEY,
  token_id text,
  seen_at bigint NOT NULL,
  changed_at bigint NOT NULL,
  record json NOT NULL
) WITH (fillfactor = 50);
-- What is decided of workers: by an operator, or by their failures.
CREATE TABLE morag.directives (
  worker_id text PRIMARY KEY,
  changed_at bigint NOT NULL,
  record json NOT NULL
);

CREATE TABLE morag.tokens (
  token_id text PRIMARY KEY,
  name text NOT NULL,
  record json NOT NULL,
  used_at bigint,
  -- Grows with each change of any token.
  version bigint NOT NULL DEFAULT 0
);
CREATE INDEX tokens_version ON morag.tokens (version);
CREATE TABLE morag.secrets (name text PRIMARY KEY, value bytea NOT NULL);

-- What the removed jobs of a token have used, by the UTC day of their creation; '': the API key.
CREATE TABLE morag.removed_usage (
  day date NOT NULL,
  token_id text NOT NULL,
  jobs bigint NOT NULL,
  completed bigint NOT NULL,
  failed bigint NOT NULL,
  cancelled bigint NOT NULL,
  media_ms bigint NOT NULL,
  work_ms bigint NOT NULL,
  PRIMARY KEY (day, token_id)
);

-- What one coordinator at a time does: since when, and which.
CREATE TABLE morag.turns (name text PRIMARY KEY, at bigint NOT NULL, by uuid);
CREATE TABLE morag.coordinators (
  id uuid PRIMARY KEY,
  version text NOT NULL,
  started_at bigint NOT NULL,
  seen_at bigint NOT NULL
);

-- The jobs whose steps a coordinator tries now, until when, and which. A crash of the server empties it: then a step may be
-- tried twice, with the same id.
CREATE UNLOGGED TABLE morag.tried_steps (
  job_id uuid PRIMARY KEY,
  until_at bigint NOT NULL,
  by uuid NOT NULL
);
