//! What is left at the end: it is saved, and named.

use crate::blog::Blog;
use crate::outbox::{Account, Item, Outbox};
use crate::screen::visible;
use groundcrew::HostReport;
use std::fmt::Display;
use std::io::{self, Write};
use std::process::ExitCode;

const FAILED: u8 = 1;
const TRY_AGAIN: u8 = 75;

/// Saves what there is to save, tells of it, and says how the process is to end.
pub(crate) fn settle(blog: &Blog, report: &HostReport) -> ExitCode {
    // The outboxes last: who was abandoned may still get an answer.
    let index_saved = blog.archive.save();
    let emails = blog.emails.outbox.save();
    let events = blog.events.outbox.save();
    let unread = blog.archive.unread().into_iter();
    let mut unread: Vec<String> = unread
        .map(|(path, why)| format!("{}: {why}", path.display()))
        .collect();
    if !blog.archive.has_looked() {
        unread.push("everything: the folder was not looked at".to_owned());
    }
    let is_done = unread.is_empty() && emails.1.is_empty() && events.1.is_empty();
    let mut code = match report.exit_code() {
        0 if !is_done => TRY_AGAIN,
        code => code,
    };
    let indexed = blog.archive.posts().len();
    let mut told = format!("posts: {indexed} indexed, {} not\n", unread.len());
    told += &account("emails", &blog.emails.outbox, &emails.0, emails.1.len());
    told += &account("events", &blog.events.outbox, &events.0, events.1.len());
    told += &list("not indexed", &unread, NAMED);
    // What is in no file is named in full.
    let most = |saved: &io::Result<()>| saved.as_ref().map_or(usize::MAX, |()| NAMED);
    told += &list("not sent", &emails.1, most(&emails.2));
    told += &list("not flushed", &events.1, most(&events.2));
    for error in [index_saved, emails.2, events.2]
        .into_iter()
        .filter_map(Result::err)
    {
        told += &format!("not saved, it is as before this run: {error}\n");
        code = FAILED;
    }
    // If nobody reads it, it is saved all the same.
    let _ = io::stdout().write_all(visible(&told).as_bytes());
    if !report.is_clean() {
        let _ = writeln!(io::stderr(), "{report}");
    }
    code.into()
}

fn account<T: Item>(what: &str, outbox: &Outbox<T>, account: &Account, kept: usize) -> String {
    let Account {
        found,
        made,
        sent,
        refused,
    } = account;
    let path = outbox.path();
    format!(
        "{what}: {found} found, {made} made, {sent} sent, {refused} refused, {kept} kept in {path}\n"
    )
}

fn list(what: &str, items: &[impl Display], most: usize) -> String {
    match items.is_empty() {
        true => String::new(),
        false => format!("{what}:{}\n", listed(items, most)),
    }
}

/// So many are named.
pub(crate) const NAMED: usize = 10;

/// The first of them, a line each.
pub(crate) fn listed(items: &[impl Display], most: usize) -> String {
    let named = items.iter().take(most).map(|item| format!("\n  {item}"));
    let more = match items.len().saturating_sub(most) {
        0 => String::new(),
        more => format!("\n  and {more} more"),
    };
    named.collect::<String>() + &more
}
