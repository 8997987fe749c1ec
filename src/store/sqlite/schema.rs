//! The tables, and how a database gets them.

use super::errors::Failure;
use crate::store::StoreError;
use rusqlite::{Connection, OptionalExtension};

/// The version of the tables that this crate writes.
const VERSION: u32 = 1;

/// What makes each version out of the one before.
const MIGRATIONS: [&str; VERSION as usize] = [VERSION_1];

/// Makes the tables, or those of an older version new. Runs in a write transaction: of several
/// processes at once, one does it, and the others find it done.
pub(super) fn migrate(conn: &Connection) -> Result<(), Failure> {
    let found = version(conn)?;
    if found > VERSION {
        return Err(Failure::Refused(StoreError::NewerSchema {
            found,
            known: VERSION,
        }));
    }
    for migration in &MIGRATIONS[found as usize..] {
        conn.execute_batch(migration)?;
    }
    if found < VERSION {
        conn.execute("UPDATE groundcrew_meta SET version = ?1", [VERSION])?;
    }
    Ok(())
}

/// The version of the tables; 0 if there are none.
fn version(conn: &Connection) -> rusqlite::Result<u32> {
    let table = "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'groundcrew_meta'";
    let exists = conn.query_row(table, [], |_| Ok(())).optional()?;
    match exists {
        None => Ok(0),
        Some(()) => conn.query_row("SELECT version FROM groundcrew_meta", [], |row| row.get(0)),
    }
}

// Names are interned, so that rows and indexes have small numbers. A lane is a queue and a kind.
// Moments are milliseconds since 1970.
//
// States: 0 scheduled, 1 available, 2 running, 3 waiting for other jobs, 4 blocked by a limit;
// 5 completed, 6 dead, 7 cancelled. In `groundcrew_count` also: 8 deleted, 9 pruned. Those before 5
// have not ended.
//
// The triggers count, so that whatever writes a job is counted. They take half of the time of a
// write, so what is done to many jobs at once counts itself ([`Counts`](super::counts::Counts)): it
// raises `turn`, and the triggers do nothing. What is written through the view `groundcrew_enqueue`
// becomes a job.
const VERSION_1: &str = "
CREATE TABLE groundcrew_meta(
  version INT NOT NULL,
  fence INT NOT NULL,   -- the last one: (number of starts of the machine << 40) + takes
  boot TEXT NOT NULL    -- the start of the machine that the fence is of
) STRICT;
INSERT INTO groundcrew_meta VALUES(0, 0, '');

CREATE TABLE groundcrew_queue(
  id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, paused_at INT
) STRICT;
CREATE TABLE groundcrew_kind(
  id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE
) STRICT;
CREATE TABLE groundcrew_lane(
  id INTEGER PRIMARY KEY,
  queue INT NOT NULL REFERENCES groundcrew_queue,
  kind INT NOT NULL REFERENCES groundcrew_kind,
  UNIQUE(queue, kind)
) STRICT;
CREATE TABLE groundcrew_limit(
  id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, max INT NOT NULL CHECK(max > 0)
) STRICT;

-- The processes with a lease. `token` is the name of the locked file.
CREATE TABLE groundcrew_worker(
  id INTEGER PRIMARY KEY AUTOINCREMENT, token TEXT NOT NULL UNIQUE,
  host TEXT NOT NULL, pid INT NOT NULL, boot TEXT NOT NULL,
  beat INT NOT NULL, registered_at INT NOT NULL, renewed_at INT NOT NULL
) STRICT;

CREATE TABLE groundcrew_job(
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  lane INT NOT NULL,
  state INT NOT NULL,
  priority INT NOT NULL DEFAULT 0,
  due INT NOT NULL,
  first_due INT NOT NULL,
  attempt INT NOT NULL DEFAULT 0,
  max_attempts INT,
  lost INT NOT NULL DEFAULT 0,
  interrupted INT NOT NULL DEFAULT 0,
  fence INT,
  worker INT,
  abandoned INT NOT NULL DEFAULT 0,
  waits INT NOT NULL DEFAULT 0,
  limit_id INT,
  cancel_requested INT,
  expires INT,
  timeout INT,
  unique_key TEXT,
  enqueued_at INT NOT NULL,
  claimed_at INT,
  ended_at INT,
  reason TEXT,
  turn INT NOT NULL DEFAULT 0   -- raised by whatever counts the change of a state itself
) STRICT;
CREATE INDEX groundcrew_ready ON groundcrew_job(lane, priority DESC, due, id) WHERE state = 1;
CREATE INDEX groundcrew_due ON groundcrew_job(due) WHERE state = 0;
CREATE INDEX groundcrew_scheduled ON groundcrew_job(lane, due) WHERE state = 0;
CREATE INDEX groundcrew_expiring ON groundcrew_job(expires)
  WHERE expires IS NOT NULL AND state IN (0, 1, 3, 4);
CREATE INDEX groundcrew_running ON groundcrew_job(worker) WHERE state = 2;
CREATE INDEX groundcrew_holding ON groundcrew_job(limit_id, state)
  WHERE limit_id IS NOT NULL AND state < 5;
CREATE INDEX groundcrew_blocked ON groundcrew_job(limit_id, lane, priority DESC, due, id)
  WHERE state = 4;
CREATE INDEX groundcrew_kept_back ON groundcrew_job(state, lane, priority DESC, due, id)
  WHERE state IN (3, 4);
CREATE UNIQUE INDEX groundcrew_unique ON groundcrew_job(unique_key)
  WHERE unique_key IS NOT NULL AND state < 5;
CREATE INDEX groundcrew_ended ON groundcrew_job(state, lane, ended_at) WHERE state >= 5;

-- Beside the job: a claim does not rewrite it, and a list does not read it.
CREATE TABLE groundcrew_payload(
  job INTEGER PRIMARY KEY, payload BLOB NOT NULL, meta TEXT
) STRICT;
CREATE TABLE groundcrew_client(
  client_id TEXT PRIMARY KEY, job INT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX groundcrew_client_job ON groundcrew_client(job);
CREATE TABLE groundcrew_after(
  parent INT NOT NULL, child INT NOT NULL, PRIMARY KEY(parent, child)
) STRICT, WITHOUT ROWID;
CREATE INDEX groundcrew_after_child ON groundcrew_after(child);
-- The jobs that have ended, or are gone, while others still wait for them: 5 completed, 7 cancelled,
-- 8 deleted, 9 pruned.
CREATE TABLE groundcrew_parent_ended(parent INTEGER PRIMARY KEY, how INT NOT NULL) STRICT;
-- Those that failed, were lost or were interrupted: 0, 1, 2.
CREATE TABLE groundcrew_attempt(
  job INT NOT NULL, fence INT NOT NULL, attempt INT NOT NULL, worker INT NOT NULL,
  claimed_at INT NOT NULL, ended_at INT NOT NULL, outcome INT NOT NULL, error TEXT,
  PRIMARY KEY(job, fence)
) STRICT, WITHOUT ROWID;
CREATE TABLE groundcrew_step(
  job INT NOT NULL, name TEXT NOT NULL, place INT NOT NULL, fence INT NOT NULL,
  value BLOB, at INT NOT NULL, PRIMARY KEY(job, name)
) STRICT, WITHOUT ROWID;
-- Instants up to `had_until` are not due any more. `declared_by` is a worker, which may be gone.
-- `revision` is of the same sequence as fences.
CREATE TABLE groundcrew_recurring(
  owner TEXT NOT NULL, key TEXT NOT NULL, schedule TEXT NOT NULL, missed TEXT NOT NULL,
  kind TEXT NOT NULL, queue TEXT NOT NULL, payload BLOB NOT NULL, meta TEXT,
  priority INT NOT NULL, max_attempts INT, timeout INT, expires INT, unique_key TEXT,
  next_at INT, had_until INT, last_at INT, last_job INT, paused_at INT,
  declared_at INT NOT NULL, declared_by INT NOT NULL, revision INT NOT NULL,
  limit_key TEXT, limit_max INT,
  PRIMARY KEY(owner, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX groundcrew_recurring_due ON groundcrew_recurring(owner, next_at)
  WHERE next_at IS NOT NULL AND paused_at IS NULL;
-- Never deleted from: the fence lives here.
CREATE TABLE groundcrew_lease(
  name TEXT PRIMARY KEY, owner BLOB, fence INT NOT NULL, beat INT NOT NULL, ttl INT NOT NULL,
  boot TEXT, until INT
) STRICT, WITHOUT ROWID;

CREATE TABLE groundcrew_count(
  lane INT NOT NULL, state INT NOT NULL, n INT NOT NULL, PRIMARY KEY(lane, state)
) STRICT, WITHOUT ROWID;
CREATE TRIGGER groundcrew_count_insert AFTER INSERT ON groundcrew_job WHEN NEW.turn = 0 BEGIN
  INSERT INTO groundcrew_count VALUES(NEW.lane, NEW.state, 1) ON CONFLICT DO UPDATE SET n = n + 1;
END;
CREATE TRIGGER groundcrew_count_update AFTER UPDATE OF state, lane ON groundcrew_job
WHEN OLD.turn = NEW.turn AND (OLD.state <> NEW.state OR OLD.lane <> NEW.lane) BEGIN
  UPDATE groundcrew_count SET n = n - 1 WHERE lane = OLD.lane AND state = OLD.state;
  INSERT INTO groundcrew_count VALUES(NEW.lane, NEW.state, 1) ON CONFLICT DO UPDATE SET n = n + 1;
END;
CREATE TRIGGER groundcrew_count_delete AFTER DELETE ON groundcrew_job BEGIN
  UPDATE groundcrew_count SET n = n - 1 WHERE lane = OLD.lane AND state = OLD.state;
  INSERT INTO groundcrew_count VALUES(OLD.lane, 8, 1) ON CONFLICT DO UPDATE SET n = n + 1;
END;

CREATE VIEW groundcrew_enqueue AS SELECT
  '' AS queue, '' AS kind, x'' AS payload, '' AS meta, 0 AS priority, 0 AS enqueued_at, 0 AS due,
  0 AS max_attempts, 0 AS timeout, 0 AS expires, '' AS unique_key, '' AS client_id WHERE FALSE;
CREATE TRIGGER groundcrew_enqueue_insert INSTEAD OF INSERT ON groundcrew_enqueue BEGIN
  SELECT RAISE(ABORT, 'groundcrew: queue and kind are names of 1 to 1024 bytes')
    WHERE NOT coalesce(length(CAST(NEW.queue AS BLOB)) BETWEEN 1 AND 1024
      AND length(CAST(NEW.kind AS BLOB)) BETWEEN 1 AND 1024, FALSE);
  SELECT RAISE(ABORT, 'groundcrew: meta is NULL, or a JSON object whose values are texts')
    WHERE CASE WHEN NEW.meta IS NULL THEN FALSE WHEN NOT json_valid(NEW.meta) THEN TRUE
      WHEN json_type(NEW.meta) <> 'object' THEN TRUE
      ELSE EXISTS (SELECT 1 FROM json_each(NEW.meta) WHERE type <> 'text') END;
  SELECT RAISE(ABORT, 'groundcrew: priority is a number of 32 bits, max_attempts NULL or one from 1')
    WHERE NEW.priority NOT BETWEEN -2147483648 AND 2147483647
      OR NEW.max_attempts NOT BETWEEN 1 AND 4294967295;
  SELECT RAISE(ABORT, 'groundcrew: times are milliseconds, and not negative')
    WHERE NEW.enqueued_at < 0 OR NEW.due < 0 OR NEW.timeout < 0 OR NEW.expires < 0;
  SELECT RAISE(IGNORE) WHERE EXISTS
    (SELECT 1 FROM groundcrew_client WHERE client_id = NEW.client_id);
  INSERT INTO groundcrew_queue(name) VALUES(NEW.queue) ON CONFLICT DO NOTHING;
  INSERT INTO groundcrew_kind(name) VALUES(NEW.kind) ON CONFLICT DO NOTHING;
  INSERT INTO groundcrew_lane(queue, kind)
    SELECT q.id, k.id FROM groundcrew_queue q, groundcrew_kind k
    WHERE q.name = NEW.queue AND k.name = NEW.kind ON CONFLICT DO NOTHING;
  INSERT INTO groundcrew_job(lane, state, priority, due, first_due, max_attempts, timeout,
    expires, unique_key, enqueued_at)
    SELECT l.id, NEW.due <= NEW.enqueued_at, NEW.priority, NEW.due, NEW.due, NEW.max_attempts,
      NEW.timeout, NEW.expires, NEW.unique_key, NEW.enqueued_at
    FROM groundcrew_queue q, groundcrew_kind k, groundcrew_lane l
    WHERE q.name = NEW.queue AND k.name = NEW.kind AND l.queue = q.id AND l.kind = k.id;
  INSERT INTO groundcrew_payload VALUES(last_insert_rowid(), NEW.payload, NEW.meta);
  INSERT INTO groundcrew_client
    SELECT NEW.client_id, last_insert_rowid() WHERE NEW.client_id IS NOT NULL;
END;
";
