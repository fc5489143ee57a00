-- The jobs whose steps a coordinator tries now, until when, and which. A crash of the server empties it: then a step may be
-- tried twice, with the same id.
CREATE UNLOGGED TABLE morag.tried_steps (
  job_id uuid PRIMARY KEY,
  until_at bigint NOT NULL,
  by uuid NOT NULL
);
