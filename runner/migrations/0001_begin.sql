-- Times are RFC 3339 UTC text, which sorts as time does. Invariants live in indexes, not in care.

CREATE TABLE tasks (
    id                  INTEGER PRIMARY KEY AUTOINCREMENT,
    source              TEXT NOT NULL,
    identity            TEXT NOT NULL,
    key                 TEXT NOT NULL,
    url                 TEXT NOT NULL,
    title               TEXT NOT NULL,
    host                TEXT NOT NULL,
    repository_id       INTEGER NOT NULL,
    repository          TEXT NOT NULL,
    clone_url           TEXT NOT NULL,
    default_branch      TEXT NOT NULL,
    requester_login     TEXT NOT NULL,
    requester_id        INTEGER NOT NULL,
    branch              TEXT NOT NULL,
    session_id          TEXT NOT NULL,
    base_sha            TEXT,
    pushed_sha          TEXT,
    pull_request_number INTEGER,
    pull_request_url    TEXT,
    pull_request_state  TEXT,
    pull_request_draft  INTEGER,
    created_at          TEXT NOT NULL,
    updated_at          TEXT NOT NULL,
    UNIQUE (source, identity)
) STRICT;

CREATE INDEX tasks_by_pull_request ON tasks (host, repository_id, pull_request_number);

CREATE TABLE runs (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    task_id       INTEGER NOT NULL REFERENCES tasks (id),
    state         TEXT NOT NULL,
    trigger       TEXT NOT NULL,
    actor_login   TEXT NOT NULL,
    actor_id      INTEGER NOT NULL,
    waiting_for   TEXT,
    waiting_until TEXT,
    stop_asked_by TEXT,
    launch        INTEGER NOT NULL DEFAULT 0,
    attempt       INTEGER NOT NULL DEFAULT 0,
    cost_usd      REAL NOT NULL DEFAULT 0,
    turns         INTEGER NOT NULL DEFAULT 0,
    outcome       TEXT,
    reason        TEXT NOT NULL DEFAULT '',
    created_at    TEXT NOT NULL,
    started_at    TEXT,
    ended_at      TEXT,
    -- how far the spool of the current launch has been read, and what its lines left half said
    spool_offset  INTEGER NOT NULL DEFAULT 0,
    progress      TEXT NOT NULL DEFAULT '',
    CHECK ((state = 'waiting') = (waiting_for IS NOT NULL))
) STRICT;

-- At most one active run per task.
CREATE UNIQUE INDEX one_active_run ON runs (task_id)
    WHERE state IN ('queued', 'starting', 'running', 'waiting', 'publishing');
CREATE INDEX active_runs ON runs (id)
    WHERE state IN ('queued', 'starting', 'running', 'waiting', 'publishing');
CREATE INDEX runs_by_task ON runs (task_id, id);

CREATE TABLE triggers (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    task_id      INTEGER NOT NULL REFERENCES tasks (id),
    run_id       INTEGER NOT NULL REFERENCES runs (id),
    kind         TEXT NOT NULL,
    actor_login  TEXT NOT NULL,
    actor_id     INTEGER NOT NULL,
    instruction  TEXT NOT NULL,
    said         TEXT NOT NULL,
    uuid         TEXT NOT NULL UNIQUE,
    joined       INTEGER NOT NULL,  -- it came while the run was active already
    acknowledged INTEGER NOT NULL DEFAULT 0,
    created_at   TEXT NOT NULL
) STRICT;

CREATE INDEX triggers_by_run ON triggers (run_id, id);

CREATE TABLE events (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,
    task_id INTEGER NOT NULL REFERENCES tasks (id),
    run_id  INTEGER REFERENCES runs (id),
    at      TEXT NOT NULL,
    kind    TEXT NOT NULL,
    data    TEXT NOT NULL
) STRICT;

CREATE INDEX events_by_task ON events (task_id, id);

-- What a reporter has said about a task, and where to find it again.
CREATE TABLE receipts (
    task_id   INTEGER NOT NULL REFERENCES tasks (id),
    reporter  TEXT NOT NULL,
    digest    TEXT NOT NULL,
    reference TEXT NOT NULL,
    at        TEXT NOT NULL,
    PRIMARY KEY (task_id, reporter)
) STRICT, WITHOUT ROWID;

-- Webhooks as received. state: new, done, or parked with the traceback that stopped it.
CREATE TABLE deliveries (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    source      TEXT NOT NULL,
    hook        TEXT NOT NULL,
    delivery_id TEXT NOT NULL,
    event       TEXT NOT NULL,
    body        BLOB NOT NULL,
    received_at TEXT NOT NULL,
    state       TEXT NOT NULL DEFAULT 'new',
    error       TEXT,
    UNIQUE (source, hook, delivery_id)
) STRICT;

CREATE INDEX new_deliveries ON deliveries (id) WHERE state = 'new';
CREATE INDEX parked_deliveries ON deliveries (id) WHERE state = 'parked';

-- Dollars spent on a UTC day, over all runs.
CREATE TABLE spending (
    day TEXT PRIMARY KEY,
    usd REAL NOT NULL
) STRICT, WITHOUT ROWID;
