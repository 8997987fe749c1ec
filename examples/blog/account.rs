//! What is left at the end: it is saved, and named.

use crate::blog::Blog;
use crate::outbox::{Item, Outbox};
use groundcrew::HostReport;
use std::fmt::Display;
use std::io::{self, Write};
use std::process::ExitCode;

const FAILED: u8 = 1;
const TRY_AGAIN: u8 = 75;

/// Saves what there is to save, tells of it, and says how the process is to end.
pub(crate) fn settle(blog: &Blog, report: &HostReport) -> ExitCode {
    // All of them, also if one cannot be: then at least its names are told.
    let saved = [
        blog.emails.outbox.save(),
        blog.events.outbox.save(),
        blog.library.save(),
    ];
    let (unsent, unflushed) = (blog.emails.outbox.unsent(), blog.events.outbox.unsent());
    let unread = blog.library.unread().into_iter();
    let unread: Vec<String> = unread
        .map(|(path, why)| format!("{}: {why}", path.display()))
        .collect();
    let indexed = blog.library.posts().len();
    let told = [
        format!("posts: {indexed} indexed, {} not\n", unread.len()),
        account("emails", &blog.emails.outbox, unsent.len()),
        account("events", &blog.events.outbox, unflushed.len()),
        list("not indexed", &unread),
        list("not sent", &unsent),
        list("not flushed", &unflushed),
    ];
    // If nobody reads it, it is saved all the same.
    let _ = io::stdout().write_all(told.concat().as_bytes());
    if !report.is_clean() {
        let _ = writeln!(io::stderr(), "{report}");
    }
    let is_done = unsent.is_empty() && unflushed.is_empty() && unread.is_empty();
    let mut code = match report.exit_code() {
        0 if !is_done => TRY_AGAIN,
        code => code,
    };
    for error in saved.into_iter().filter_map(Result::err) {
        let _ = writeln!(
            io::stderr(),
            "not saved, as it was before this run: {error}"
        );
        code = FAILED;
    }
    code.into()
}

fn account<T: Item>(what: &str, outbox: &Outbox<T>, kept: usize) -> String {
    let (account, path) = (outbox.account(), outbox.path());
    let (made, sent, refused) = (account.made, account.sent, account.refused);
    format!("{what}: {made} made, {sent} sent, {refused} refused, {kept} kept in {path}\n")
}

fn list(what: &str, items: &[impl Display]) -> String {
    match items.is_empty() {
        true => String::new(),
        false => format!("{what}:{}\n", listed(items)),
    }
}

/// So many are named.
const NAMED: usize = 10;

/// The first of them, a line each.
pub(crate) fn listed(items: &[impl Display]) -> String {
    let named = items.iter().take(NAMED).map(|item| format!("\n  {item}"));
    let more = match items.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!("\n  and {more} more"),
    };
    named.collect::<String>() + &more
}
