//! Jobs that get in with the program's own rows.

use super::{job, register, store, with_client_id};
use groundcrew::store::sqlite::SqliteStore;
use groundcrew::store::sqlite::rusqlite::{Connection, params_from_iter, types::Value};
use groundcrew::store::{
    Due, JobDetails, JobId, JobSpec, JobState, SqlValue, Statement, Store, StoreError, Transaction,
};
use std::time::Duration;

#[test]
fn a_job_is_there_if_and_only_if_its_transaction_and_savepoint_commit() {
    let (_folder, path, store) = store();
    let mut program = Connection::open(&path).unwrap();
    let mut tx = program.transaction().unwrap();
    let kept = tx.enqueue(&job()).unwrap();
    let mut savepoint = tx.savepoint().unwrap();
    let undone = savepoint.enqueue(&job()).unwrap();
    savepoint.rollback().unwrap();
    let nested = savepoint.enqueue(&job()).unwrap();
    savepoint.commit().unwrap();
    assert!(store.get(kept.id).unwrap().is_none(), "it is not committed");
    tx.commit().unwrap();
    let tx = program.transaction().unwrap();
    tx.enqueue(&job()).unwrap();
    tx.rollback().unwrap();

    assert!(kept.is_new && nested.is_new);
    assert_eq!(undone.id, nested.id, "the first had not been there");
    let counts = &store.counts().unwrap()[0];
    assert_eq!(counts.states[JobState::Available], 2);
    assert_eq!(counts.enqueued(), 2);
}

#[test]
fn a_commit_of_the_program_ends_the_wait_for_a_change() {
    let (_folder, path, store) = store();
    let worker = register(&store);
    let mut program = Connection::open(&path).unwrap();
    for _ in 0..5 {
        let seen = store.version();
        assert!(super::claim(&store, worker, 9).unwrap().jobs.is_empty());
        let tx = program.transaction().unwrap();
        tx.enqueue(&job()).unwrap();
        tx.commit().unwrap();
        // Before its timeout.
        assert_ne!(store.wait_for_change(seen, Duration::from_secs(60)), seen);
        assert_eq!(super::claim(&store, worker, 9).unwrap().jobs.len(), 1);
    }
}

#[test]
fn client_ids_and_unique_keys_hold_in_transactions_too() {
    let (_folder, path, store) = store();
    let mut unique = with_client_id("order-7");
    unique.unique_key = Some("welcome-7".to_owned());
    let first = store.enqueue(vec![unique.clone()]).unwrap()[0];
    let mut program = Connection::open(&path).unwrap();
    let tx = program.transaction().unwrap();
    let again = tx.enqueue(&unique).unwrap();
    assert_eq!((again.id, again.is_new), (first.id, false));
    unique.client_id = None;
    let refused = tx.enqueue(&unique).unwrap_err();
    let holder = Some(first.id);
    assert_eq!(
        refused,
        StoreError::UniqueKeyHeld {
            key: "welcome-7".to_owned(),
            holder
        }
    );
    let mut invalid = job();
    invalid.max_attempts = Some(0);
    assert!(matches!(
        tx.enqueue(&invalid),
        Err(StoreError::InvalidJob { .. })
    ));
    tx.enqueue(&job()).unwrap();
    tx.commit().unwrap();
    assert_eq!(store.counts().unwrap()[0].states.total(), 2);
}

/// Runs a statement as a driver would that knows nothing of the store.
fn run(program: &Connection, statement: &Statement) -> Result<usize, String> {
    let values = statement.values.iter().map(|value| match value {
        SqlValue::Null => Value::Null,
        SqlValue::Integer(number) => Value::Integer(*number),
        SqlValue::Text(text) => Value::Text(text.clone()),
        SqlValue::Blob(bytes) => Value::Blob(bytes.clone()),
        other => panic!("a value of a new type: {other:?}"),
    });
    let done = program.execute(&statement.sql, params_from_iter(values));
    done.map_err(|error| error.to_string())
}

/// All that does not depend on when it was enqueued, and as which job.
fn told(store: &SqliteStore, id: i64) -> JobDetails {
    let mut job = store.get(JobId::new(id)).unwrap().unwrap();
    let moments = [
        &mut job.info.due,
        &mut job.info.first_due,
        &mut job.info.enqueued_at,
    ];
    for moment in moments {
        *moment = std::time::UNIX_EPOCH;
    }
    job.info.expires = None;
    job.info.id = JobId::new(0);
    job.info.unique_key = None;
    job.client_id = None;
    job
}

#[test]
fn a_statement_enqueues_the_same_job_as_the_store_does() {
    let (_folder, path, store) = store();
    let program = Connection::open(&path).unwrap();
    let mut full = JobSpec::new("resize", [0, 1, 255]);
    full.queue = "images".to_owned();
    full.meta
        .insert("trace".to_owned(), "a \"b\" \u{e9}".to_owned());
    full.priority = -3;
    full.due = Due::After(Duration::from_secs(60));
    full.max_attempts = Some(7);
    full.timeout = Some(Duration::from_millis(1500));
    full.expires = Some(Duration::from_secs(3600));
    for (index, spec) in [job(), full].into_iter().enumerate() {
        let statement = store.statement(&spec).unwrap();
        run(&program, &statement).unwrap();
        store.enqueue(vec![spec]).unwrap();
        let id = 2 * index as i64 + 1;
        assert_eq!(told(&store, id), told(&store, id + 1));
    }
    let [of_statement, of_store] = [3, 4].map(|id| store.get(JobId::new(id)).unwrap().unwrap());
    let wait = |job: &JobDetails| {
        let (info, hour) = (&job.info, Duration::from_secs(3600));
        assert_eq!(info.expires, Some(info.enqueued_at + hour));
        info.due.duration_since(info.enqueued_at).unwrap()
    };
    assert_eq!(wait(&of_statement), wait(&of_store));
    let counts = store.counts().unwrap();
    assert_eq!(
        counts.iter().map(|lane| lane.states.total()).sum::<u64>(),
        4
    );
}

#[test]
fn a_statement_keeps_client_ids_and_unique_keys() {
    let (_folder, path, store) = store();
    let program = Connection::open(&path).unwrap();
    let mut unique = with_client_id("order-7");
    unique.unique_key = Some("welcome-7".to_owned());
    let statement = store.statement(&unique).unwrap();
    run(&program, &statement).unwrap();
    run(&program, &statement).unwrap();
    let known = store.enqueue(vec![with_client_id("order-7")]).unwrap()[0];
    assert!(!known.is_new);
    unique.client_id = None;
    let refused = run(&program, &store.statement(&unique).unwrap()).unwrap_err();
    assert!(refused.contains("UNIQUE"), "{refused}");
    assert_eq!(store.counts().unwrap()[0].states.total(), 1);
}

#[test]
fn what_is_changed_by_hand_is_counted_too() {
    let (_folder, path, store) = store();
    let worker = register(&store);
    store.enqueue(vec![job(); 5]).unwrap();
    let claimed = super::claim(&store, worker, 2).unwrap();
    store.finish(&super::completed(&claimed)).unwrap();
    let program = Connection::open(&path).unwrap();
    let by_hand = |sql: &str| program.execute(sql, []).unwrap();
    // One that was completed, one that is available.
    assert_eq!(by_hand("DELETE FROM groundcrew_job WHERE id IN (1, 3)"), 2);
    assert_eq!(
        by_hand("UPDATE groundcrew_job SET state = 7, ended_at = 0 WHERE id = 4"),
        1
    );
    let lane = &store.counts().unwrap()[0];
    let states = [
        JobState::Available,
        JobState::Completed,
        JobState::Cancelled,
    ];
    assert_eq!(states.map(|state| lane.states[state]), [1, 1, 1]);
    assert_eq!((lane.deleted, lane.enqueued()), (2, 5));
}

#[test]
fn an_enqueue_that_fails_half_way_leaves_nothing_in_the_transaction() {
    let (_folder, path, store) = store();
    let mut program = Connection::open(&path).unwrap();
    program
        .execute_batch(
            "CREATE TABLE orders(item TEXT);
             CREATE TRIGGER no BEFORE INSERT ON groundcrew_payload WHEN NEW.meta IS NOT NULL
             BEGIN SELECT RAISE(ABORT, 'no meta here'); END",
        )
        .unwrap();
    let tx = program.transaction().unwrap();
    tx.execute("INSERT INTO orders VALUES('a lamp')", [])
        .unwrap();
    let mut with_meta = with_client_id("order-7");
    with_meta.meta.insert("trace".to_owned(), "17".to_owned());
    let error = tx.enqueue(&with_meta).unwrap_err();
    assert!(error.to_string().contains("no meta here"), "{error}");
    // The program may commit what else it has written.
    tx.enqueue(&job()).unwrap();
    tx.commit().unwrap();
    let count = |table: &str| -> i64 {
        let sql = format!("SELECT count(*) FROM {table}");
        program.query_row(&sql, [], |row| row.get(0)).unwrap()
    };
    let tables = [
        "orders",
        "groundcrew_job",
        "groundcrew_payload",
        "groundcrew_client",
    ];
    assert_eq!(tables.map(count), [1, 1, 1, 0]);
    assert_eq!(store.counts().unwrap()[0].states.total(), 1);
}

#[test]
fn the_view_refuses_what_no_worker_could_read() {
    let (_folder, path, store) = store();
    let program = Connection::open(&path).unwrap();
    let insert = |column: &str, value: &str| {
        let mut values = vec![
            ("queue", "'default'"),
            ("kind", "'count'"),
            ("payload", "x'7b7d'"),
            ("priority", "0"),
            ("enqueued_at", "1000"),
            ("due", "1000"),
        ];
        match values.iter_mut().find(|(name, _)| *name == column) {
            Some(found) => found.1 = value,
            None => values.push((column, value)),
        }
        let (names, values): (Vec<&str>, Vec<&str>) = values.into_iter().unzip();
        let (names, values) = (names.join(","), values.join(","));
        let sql = format!("INSERT INTO groundcrew_enqueue({names}) VALUES({values})");
        program.execute(&sql, []).map_err(|error| error.to_string())
    };
    let long = format!("'{}'", "a".repeat(1025));
    let refused = [
        ("queue", "''", "names"),
        ("queue", "NULL", "names"),
        ("kind", "''", "names"),
        ("kind", &long, "names"),
        ("payload", "'{}'", "BLOB"),
        ("payload", "NULL", "NOT NULL"),
        ("meta", "'{'", "JSON"),
        ("meta", "'[]'", "JSON"),
        ("meta", "'7'", "JSON"),
        ("meta", "'{\"a\":1}'", "JSON"),
        ("meta", "'{\"a\":null}'", "JSON"),
        ("priority", "2147483648", "priority"),
        ("priority", "-2147483649", "priority"),
        ("priority", "NULL", "NOT NULL"),
        ("max_attempts", "0", "max_attempts"),
        ("max_attempts", "4294967296", "max_attempts"),
        ("due", "-1", "milliseconds"),
        ("due", "NULL", "NOT NULL"),
        ("enqueued_at", "-1", "milliseconds"),
        ("timeout", "-1", "milliseconds"),
        ("expires", "-1", "milliseconds"),
    ];
    for (column, value, said) in refused {
        let error = insert(column, value).unwrap_err();
        assert!(error.contains(said), "{column} = {value}: {error}");
    }
    assert!(
        store
            .counts()
            .unwrap()
            .iter()
            .all(|lane| lane.enqueued() == 0)
    );
    let taken = [
        ("meta", "NULL"),
        ("meta", "'{\"a\":\"1\"}'"),
        ("priority", "-2147483648"),
        ("max_attempts", "4294967295"),
        ("max_attempts", "NULL"),
        ("timeout", "0"),
    ];
    for (column, value) in taken {
        insert(column, value).unwrap();
    }
    let worker = register(&store);
    assert_eq!(
        super::claim(&store, worker, 100).unwrap().jobs.len(),
        taken.len()
    );
}
