//! The account of a mailer, which keeps nothing from one start to the next.

use crate::common::examples::text;
use crate::fault::{Fault, Stop};
use crate::tally::{Count, Tally};
use std::collections::HashSet;
use std::process::Output;

pub(crate) const MAILS: usize = 60;

/// Every mail is sent, or named with what became of it, and the server agrees.
pub(crate) fn check(fault: &Fault, output: &Output, tally: &mut Tally) {
    let stdout = text(&output.stdout);
    let about = || format!("{fault:?} {stdout}{}", text(&output.stderr));
    let code = output.status.code();
    let lines: Vec<&str> = stdout.lines().collect();
    let [first, .., last] = lines[..] else {
        // Killed, or stopped before it could take signals.
        assert_eq!((code, lines.len()), (None, 0), "{}", about());
        return;
    };
    let numbers = first.split(' ').chain(last.split(' '));
    let numbers: Vec<usize> = numbers.filter_map(|word| word.parse().ok()).collect();
    let [sent, given_up, not_sent, unknown, acknowledged, twice] = numbers[..] else {
        panic!("{}", about());
    };
    assert_eq!(sent + given_up + not_sent + unknown, MAILS, "{}", about());
    assert_eq!(twice, 0, "{}", about());
    assert!(
        (sent..=sent + unknown).contains(&acknowledged),
        "{}",
        about()
    );
    let listed = lines.iter().filter_map(|line| line.strip_prefix("  "));
    let listed: Vec<&str> = listed.filter_map(|line| line.split(':').next()).collect();
    let different: HashSet<&&str> = listed.iter().collect();
    assert_eq!(
        (listed.len(), different.len()),
        (MAILS - sent, MAILS - sent),
        "{}",
        about()
    );
    let expected = if not_sent + unknown > 0 { 75 } else { 0 };
    if fault.stop != Stop::Kill {
        assert_eq!(code, Some(expected), "{}", about());
    }
    tally.count(Count::Made, MAILS);
    tally.count(Count::HandedOver, acknowledged);
    tally.count(Count::Named, not_sent);
    tally.count(Count::Unknown, unknown);
}
