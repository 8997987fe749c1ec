//! What is left.

use super::Faults;
use groundcrew::store::sqlite::rusqlite::Connection;
use std::fs;
use std::path::Path;

pub(super) fn check(faults: &mut Faults, conn: &Connection, database: &Path) {
    let none = [
        ("job that has not ended", "groundcrew_job WHERE state < 5"),
        ("lease", "groundcrew_worker"),
        (
            "wrong count",
            "(SELECT lane, state, count(*) AS found FROM groundcrew_job GROUP BY lane, state)
                FULL JOIN (SELECT * FROM groundcrew_count WHERE n > 0) USING (lane, state)
                WHERE found IS NOT n",
        ),
    ];
    for (what, of) in none {
        let query = format!("SELECT count(*) FROM {of}");
        let count: i64 = conn.query_row(&query, [], |row| row.get(0)).unwrap();
        faults.unless(count == 0, || format!("{what}: {count}"));
    }
    let sound: String = conn
        .query_row("PRAGMA integrity_check", [], |row| row.get(0))
        .unwrap();
    faults.unless(sound == "ok", || sound.clone());
    let folder = format!("{}-groundcrew", database.display());
    let locked = fs::read_dir(folder).unwrap();
    let locked: Vec<_> = locked.map(|entry| entry.unwrap().file_name()).collect();
    faults.unless(locked.is_empty(), || format!("locked files: {locked:?}"));
}
