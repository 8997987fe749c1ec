//! What is left at the end: it is saved, and named.

use crate::blog::Blog;
use crate::outbox::{Account, Item, Outbox, Saved, TIME_TO_ANSWER};
use crate::program::{self, FAILED, TRY_AGAIN};
use crate::screen::visible;
use groundcrew::HostReport;
use std::fmt::Display;
use std::process::ExitCode;
use std::time::Instant;

/// Saves what there is to save, tells of it, and says how the process is to end.
pub(crate) fn settle(blog: &Blog, report: &HostReport) -> ExitCode {
    // The index in between: meanwhile there may be an answer to what is under way.
    blog.emails.outbox.seal();
    blog.events.outbox.seal();
    let deadline = Instant::now() + TIME_TO_ANSWER;
    let index_saved = blog.archive.save();
    let emails = blog.emails.outbox.save(deadline);
    let events = blog.events.outbox.save(deadline);
    let unread = blog.archive.unread().into_iter();
    let mut unread: Vec<String> = unread
        .map(|(path, why)| format!("{}: {why}", path.display()))
        .collect();
    if !blog.archive.has_looked() {
        unread.push("everything: the folder was not looked at".to_owned());
    }
    let is_done = unread.is_empty() && emails.unsent.is_empty() && events.unsent.is_empty();
    let mut code = match report.exit_code() {
        0 if !is_done => TRY_AGAIN,
        code => code,
    };
    let indexed = blog.archive.posts().len();
    let mut told = format!("posts: {indexed} indexed, {} not\n", unread.len());
    told += &account("emails", &blog.emails.outbox, &emails);
    told += &account("events", &blog.events.outbox, &events);
    told += &list("not indexed", &unread, NAMED);
    told += &left("not sent", &emails);
    told += &left("not flushed", &events);
    let mut lost = emails.unknown() + &events.unknown();
    for error in [index_saved, emails.result, events.result]
        .into_iter()
        .filter_map(Result::err)
    {
        lost += &format!("not saved, it is as before this run: {error}\n");
        code = FAILED;
    }
    // If it is not read, it is saved all the same.
    blog.screen.clear();
    program::tell(visible(&told), visible(&lost));
    if code != 0 {
        program::complain(report);
    }
    code.into()
}

fn account<T: Item>(what: &str, outbox: &Outbox<T>, saved: &Saved<T>) -> String {
    let Account {
        found,
        made,
        sent,
        refused,
    } = saved.account;
    let kept = saved.kept(outbox.path());
    format!("{what}: {found} found, {made} made, {sent} sent, {refused} refused, {kept}\n")
}

/// What was not sent. What is in no file is named in full.
fn left<T: Item>(title: &str, saved: &Saved<T>) -> String {
    let most = saved.result.as_ref().map_or(usize::MAX, |()| NAMED);
    list(title, &saved.unsent, most)
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
