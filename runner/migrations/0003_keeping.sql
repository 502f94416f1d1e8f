-- A database that came out of a backup. What happened since is looked up before anything is done again.
CREATE TABLE restores (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    made_at     TEXT NOT NULL,  -- when the backup was made
    restored_at TEXT NOT NULL,
    looked_at   TEXT            -- when every run that was active in it had been looked up; NULL until then
) STRICT;
