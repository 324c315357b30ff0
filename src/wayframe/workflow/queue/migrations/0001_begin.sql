-- works_with: 1
create table wf_runs (
  number $identity,
  run_id text not null unique,
  plan_digest text not null,
  capability text not null,
  title text not null,
  segments integer not null,
  frames integer not null,
  priority integer not null,
  state text not null,
  attempt integer not null,
  batch integer not null,
  keep_going integer not null,
  revision_of text,
  revision integer not null,
  error text,
  created $time not null,
  started $time,
  finished $time
);
create index wf_runs_state on wf_runs (state, number);
create index wf_runs_plan on wf_runs (plan_digest);

create table wf_workers (
  worker_id text primary key,
  boot text not null,
  kind text not null,
  host text not null,
  pid integer not null,
  born text not null,
  gpu text not null,
  capabilities text not null,
  holding text,
  run_id text,
  version text not null,
  started $time not null,
  seen $time not null,
  draining integer not null
);

create table wf_attempts (
  number $identity,
  run_id text not null,
  attempt integer not null,
  segment integer not null,
  key text not null,
  worker_id text not null,
  boot text not null,
  alone integer not null,
  started $time not null,
  ended $time,
  outcome text,
  detail text
);
create index wf_attempts_run on wf_attempts (run_id, attempt, segment);
create index wf_attempts_open on wf_attempts (worker_id, boot, outcome);

create table wf_claims (
  key text primary key,
  run_id text not null,
  worker_id text not null,
  boot text not null,
  since $time not null
);

create table wf_events (
  seq $identity,
  run_id text not null,
  time $time not null,
  body text not null
);
create index wf_events_run on wf_events (run_id, seq);

create table wf_switches (
  name text primary key,
  value text not null
);
