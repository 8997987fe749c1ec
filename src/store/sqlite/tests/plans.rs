//! No statement that runs regularly scans the jobs or sorts, however many there are.

use super::database;
use crate::store::sqlite::{
    claim, columns, counts, enqueue, followers, lanes, lease, limits, maintain, operate, pause,
    reads, recurring, tx,
};
use rusqlite::Connection;

/// Makes so many jobs that another plan would be chosen if there was one: most have ended, some are
/// in each state, in a hundred lanes.
fn fill(conn: &Connection, jobs: u32) {
    conn.execute_batch(&format!(
        "BEGIN;
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10)
         INSERT INTO groundcrew_queue(name) SELECT 'queue-' || i FROM n;
         INSERT INTO groundcrew_kind(name) SELECT 'kind' || substr(name, 6) FROM groundcrew_queue;
         INSERT INTO groundcrew_lane(queue, kind)
           SELECT q.id, k.id FROM groundcrew_queue q, groundcrew_kind k;
         INSERT INTO groundcrew_worker(token, host, pid, boot, beat, registered_at, renewed_at)
           VALUES('a', 'h', 1, 'b', 0, 0, 0), ('b', 'h', 1, 'b', 0, 0, 0);
         INSERT INTO groundcrew_limit(name, max) VALUES('x', 1), ('y', 2), ('z', 3);
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {jobs})
         INSERT INTO groundcrew_job(lane, state, priority, due, first_due, enqueued_at, ended_at,
             worker, fence, unique_key, limit_id)
           SELECT 1 + i % 100,
             CASE WHEN i % 5 = 0 THEN 1 WHEN i % 7 = 0 THEN 4 WHEN i % 53 = 0 THEN 0 WHEN i % 997 = 0 THEN 2
               ELSE 5 + i % 3 END,
             i % 7, i, i, i, i, 1 + i % 2, i, CASE WHEN i % 10 = 0 THEN 'key-' || i END,
             CASE WHEN i % 7 = 0 THEN 1 + i % 3 END
           FROM n;
         INSERT INTO groundcrew_after SELECT id, id + 1 FROM groundcrew_job WHERE id % 10 = 0;
         INSERT INTO groundcrew_parent_ended SELECT id, 5 FROM groundcrew_job WHERE id % 100 = 0;
         INSERT INTO groundcrew_payload(job, payload) SELECT id, x'7b7d' FROM groundcrew_job;
         INSERT INTO groundcrew_client SELECT 'client-' || id, id FROM groundcrew_job WHERE id % 9 = 0;
         INSERT INTO groundcrew_attempt SELECT id, fence, 1, 1, 0, 0, 0, NULL FROM groundcrew_job
           WHERE state = 6;
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10000)
         INSERT INTO groundcrew_recurring(owner, key, schedule, missed, kind, queue, payload,
             priority, next_at, paused_at, declared_at, declared_by, revision)
           SELECT 'owner-' || i % 3, 'key-' || i, 's', 'm', 'k', 'q', x'7b7d', 0, i,
             CASE WHEN i % 4 = 0 THEN i END, i, 1, i
           FROM n;
         COMMIT;"
    ))
    .unwrap();
}

fn plan(conn: &Connection, sql: &str) -> Vec<String> {
    let mut statement = conn.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
    let parameters = statement.parameter_count();
    let values = rusqlite::params_from_iter(vec![rusqlite::types::Null; parameters]);
    let lines = statement.query_map(values, |row| row.get(3)).unwrap();
    lines.map(Result::unwrap).collect()
}

fn regular() -> Vec<(&'static str, &'static str)> {
    let mut all = vec![
        ("known client id", enqueue::KNOWN),
        ("holder of a unique key", enqueue::HOLDER),
        ("claim: any", claim::ANY),
        ("claim: available", claim::AVAILABLE),
        ("claim: payload", columns::PAYLOAD),
        ("bury", columns::BURY),
        ("claim: begin", claim::BEGIN),
        ("claim: expire", claim::EXPIRE),
        ("claim: lease", claim::LEASE),
        ("finish: complete", super::super::finish::COMPLETE),
        ("load", columns::JOB),
        ("save", columns::SAVE),
        ("list: running", reads::RUNNING),
        ("lost", lease::LOST),
        ("held", lease::HELD),
        ("attempts", columns::ATTEMPTS),
        ("forget attempts", columns::FORGET_OLD),
        ("due", maintain::DUE),
        ("promote", maintain::PROMOTE),
        ("next due", maintain::NEXT),
        ("expired", maintain::EXPIRED),
        ("prune", maintain::OLD),
        ("prune: size", maintain::SIZE),
        ("renew", lease::RENEW),
        ("token", lease::TOKEN),
        ("new lanes", lanes::LANES_AFTER),
        ("limit", limits::FIND),
        ("limit: change", limits::CHANGE),
        ("limit: maximum", limits::MAX),
        ("limit: count", limits::COUNT),
        ("limit: holders", limits::HOLDERS),
        ("limit: lanes", limits::NEXT_LANE),
        ("limit: blocked", limits::BLOCKED),
        ("limit: set", limits::SET),
        ("limits", limits::NEXT_LIMIT),
        ("list: kept back", reads::KEPT_BACK),
        ("list: kept back below", reads::KEPT_BACK_BELOW),
        ("parent", followers::STATE),
        ("parents", followers::PARENTS),
        ("followers", followers::CHILDREN),
        ("followers: cut", followers::CUT),
        ("followers: of ended", followers::WAITED_FOR),
        ("followers: next", followers::NEXT_ENDED),
        ("followers: end of", followers::END_OF),
        ("followers: forget", followers::FORGET),
        ("is paused", pause::IS_PAUSED),
        ("pause", pause::PAUSE),
        ("resume", pause::RESUME),
        ("list: scheduled", reads::SCHEDULED),
        ("list: available", reads::AVAILABLE),
        ("list: available below", reads::AVAILABLE_BELOW),
        ("list: ended", reads::ENDED),
        ("client id", reads::CLIENT_ID),
        ("recurring: due", recurring::DUE),
        ("recurring: next", recurring::NEXT),
        ("recurring: of an owner", recurring::OF_OWNER),
        ("recurring: one", recurring::ONE),
        ("recurring: revision", recurring::REVISION),
        ("recurring: remove", recurring::REMOVE),
        ("recurring: touch", recurring::TOUCH),
        ("oldest available", reads::OLDEST_BELOW),
        ("oldest available: rest", reads::OLDEST_OF_REST),
    ];
    all.extend(operate::REMOVE.map(|sql| ("remove", sql)));
    all
}

/// What goes through a table that does not grow with the jobs: the lanes with their states, the
/// processes, one row.
fn through_small_tables() -> [(&'static str, &'static str); 5] {
    [
        ("groundcrew_count", reads::COUNTS),
        ("groundcrew_count", counts::CHANGE),
        ("groundcrew_worker", lease::WORKERS),
        ("groundcrew_meta", tx::NEXT_FENCE),
        ("groundcrew_queue", pause::PAUSED),
    ]
}

#[test]
fn no_regular_statement_scans_or_sorts() {
    check_plans(50_000);
}

#[test]
#[ignore = "takes a minute"]
fn no_regular_statement_scans_or_sorts_a_million_jobs() {
    check_plans(1_000_000);
}

fn check_plans(jobs: u32) {
    let (_folder, _, conn) = database();
    fill(&conn, jobs);
    for analyzed in [false, true] {
        if analyzed {
            conn.execute_batch("ANALYZE").unwrap();
        }
        for (table, sql) in through_small_tables() {
            for line in plan(&conn, sql) {
                assert_eq!(line, format!("SCAN {table}"), "{sql}");
            }
        }
        for (name, sql) in regular() {
            let plan = plan(&conn, sql);
            let searches = plan.iter().filter(|line| line.starts_with("SEARCH"));
            // The earliest of all that are scheduled is the first entry of their index.
            let is_first = sql == maintain::NEXT
                && plan == ["SCAN groundcrew_job USING COVERING INDEX groundcrew_due"];
            assert!(is_first || searches.count() > 0, "{name}: {plan:?}");
            for line in &plan {
                // The ids that a statement is given are scanned.
                let is_given = line.starts_with("SCAN json_each");
                let may_scan = is_first || is_given;
                assert!(may_scan || !line.starts_with("SCAN"), "{name}: {plan:?}");
                assert!(!line.contains("TEMP B-TREE"), "{name}: {plan:?}");
                assert!(!line.contains("AUTOMATIC"), "{name}: {plan:?}");
            }
        }
    }
}

#[test]
fn each_statement_uses_the_index_that_is_meant_for_it() {
    let (_folder, _, conn) = database();
    fill(&conn, 50_000);
    let meant = [
        (claim::AVAILABLE, "groundcrew_ready (lane=?)"),
        (maintain::DUE, "groundcrew_due (due<?)"),
        (maintain::EXPIRED, "groundcrew_expiring (expires<?)"),
        (
            maintain::OLD,
            "groundcrew_ended (state=? AND lane=? AND ended_at<?)",
        ),
        (lease::LOST, "groundcrew_running (worker=?)"),
        (lease::HELD, "groundcrew_running (worker=?)"),
        (limits::COUNT, "groundcrew_holding (limit_id=? AND state=?)"),
        (
            limits::HOLDERS,
            "groundcrew_holding (limit_id=? AND state=?)",
        ),
        (
            limits::NEXT_LANE,
            "groundcrew_blocked (limit_id=? AND lane>?)",
        ),
        (
            limits::BLOCKED,
            "groundcrew_blocked (limit_id=? AND lane=?)",
        ),
        (limits::NEXT_LIMIT, "groundcrew_blocked (limit_id>?)"),
        (
            reads::KEPT_BACK,
            "groundcrew_kept_back (state=? AND lane=? AND priority=? AND due>?)",
        ),
        (
            reads::KEPT_BACK_BELOW,
            "groundcrew_kept_back (state=? AND lane=? AND priority<?)",
        ),
        (enqueue::HOLDER, "groundcrew_unique (unique_key=?)"),
        (
            recurring::DUE,
            "groundcrew_recurring_due (owner=? AND next_at<?)",
        ),
        (
            recurring::NEXT,
            "groundcrew_recurring_due (owner=? AND next_at>?)",
        ),
        (reads::SCHEDULED, "groundcrew_scheduled (lane=? AND due>?)"),
        (
            reads::AVAILABLE,
            "groundcrew_ready (lane=? AND priority=? AND due>?)",
        ),
        (
            reads::AVAILABLE_BELOW,
            "groundcrew_ready (lane=? AND priority<?)",
        ),
        (
            reads::ENDED,
            "groundcrew_ended (state=? AND lane=? AND ended_at<?)",
        ),
        (
            reads::OLDEST_BELOW,
            "groundcrew_ready (lane=? AND priority<?)",
        ),
    ];
    for (sql, index) in meant {
        let plan = plan(&conn, sql);
        assert!(
            plan.iter().any(|line| line.contains(index)),
            "{index}: {plan:?}"
        );
    }
}
