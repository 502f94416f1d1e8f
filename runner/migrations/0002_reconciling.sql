-- When the person asked, by the clock of the place they asked in; NULL where that is our own clock (created_at).
ALTER TABLE triggers ADD COLUMN asked_at TEXT;

-- The last time that our label was put on a subject, as far as it was answered: by a run, or by a refusal. `number` is
-- the tracker's own for it, and only grows; 0 is one from before this was written down, and then `at` alone counts.
CREATE TABLE labellings (
    identity TEXT PRIMARY KEY,
    number   INTEGER NOT NULL,
    at       TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- What a task has answered so far is answered: all up to the end of its last run.
INSERT INTO labellings (identity, number, at)
SELECT tasks.identity, 0,
       CASE WHEN max(runs.ended_at IS NULL) THEN strftime('%Y-%m-%dT%H:%M:%f000+00:00', 'now') ELSE max(runs.ended_at) END
FROM tasks JOIN runs ON runs.task_id = tasks.id
WHERE tasks.source = 'github'
GROUP BY tasks.identity;

-- Up to when something outside was looked through, by the clock of that place.
CREATE TABLE marks (
    name TEXT PRIMARY KEY,
    at   TEXT NOT NULL
) STRICT, WITHOUT ROWID;
