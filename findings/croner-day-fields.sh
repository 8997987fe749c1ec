#!/usr/bin/env bash
# croner 4.0.3 says that it follows Vixie's cron for the two fields for days, and does not
# where one of them begins with a star and goes on.
#
# Vixie's cron (entry.c: `if (ch == '*') e->flags |= DOM_STAR`; cron.c, find_jobs: with one of
# the two flags both fields must match) runs `0 0 */2 * 4` on Thursdays with an odd date. So do
# cronie and the crons of the BSDs. croner takes only a field that is exactly `*` for a star,
# and so runs it on every odd date and on every Thursday: 18 times in January 2026 instead of 3.
# To have a crontab's meaning, write `+4` where a field for days begins with a star.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
mkdir src
cat > Cargo.toml <<'TOML'
[package]
name = "finding"
version = "0.0.0"
edition = "2021"
[dependencies]
croner = { version = "=4.0.3", default-features = false, features = ["jiff"] }
jiff = "=0.2.35"
TOML
cat > src/main.rs <<'RUST'
use croner::parser::CronParser;
use jiff::civil::{date, DateTime};

fn days(expression: &str) -> Vec<i8> {
    let cron = CronParser::builder().build().parse(expression).unwrap();
    let mut time: DateTime = date(2025, 12, 31).at(23, 59, 59, 0);
    let mut days = Vec::new();
    loop {
        time = cron.find_next_occurrence(&time, false).unwrap();
        if time.month() != 1 || time.year() != 2026 {
            return days;
        }
        days.push(time.day());
    }
}

fn main() {
    let vixie = vec![1, 15, 29];
    let found = days("0 0 */2 * 4");
    println!("croner 4.0.3, `0 0 */2 * 4`, January 2026");
    println!("  Vixie's cron: {vixie:?}");
    println!("  croner:       {found:?}");
    println!("  with `+4`:    {:?}", days("0 0 */2 * +4"));
    // 1, 3, 5, ... 31, and the Thursdays: 1, 8, 15, 22, 29.
    let either: Vec<i8> = (1..=31).filter(|day| day % 2 == 1 || day % 7 == 1).collect();
    assert_eq!(found, either, "croner has changed");
    assert_eq!(days("0 0 */2 * +4"), vixie);
}
RUST
cargo run --quiet
