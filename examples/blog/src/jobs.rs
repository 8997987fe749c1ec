//! What goes by the clock: broken links, the cache, the newsletter.

use crate::account::{NAMED, listed};
use crate::blog::Blog;
use crate::config::Config;
use groundcrew::host::ServiceResult;
use groundcrew::schedule::{RunContext, ScheduleEntry};
use groundcrew::{HostBuilder, Schedule, Scheduler, TaskError};
use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::Mutex;

/// The entries, for who wants one to run now.
#[derive(Default)]
pub(crate) struct Triggers(Mutex<BTreeMap<&'static str, ScheduleEntry>>);

impl Triggers {
    /// Whether there is one of that name; it may be running already.
    pub(crate) fn run(&self, name: &str) -> bool {
        let entries = self.0.lock().unwrap();
        entries.get(name).map(ScheduleEntry::trigger).is_some()
    }
}

/// Pages that are ready to be seen.
pub(crate) type Cache = Mutex<HashMap<PathBuf, String>>;

/// The number of pages that are kept ready, and of posts in a newsletter.
const WARM: usize = 100;
const NEWS: usize = 5;

/// Adds each to the scheduler in a task of the start.
pub(crate) fn add(host: &mut HostBuilder, blog: &Blog, config: &Config, scheduler: &Scheduler) {
    type Job = fn(&Blog, &RunContext<'_>) -> ServiceResult;
    let jobs: [(&str, Schedule, Job); 3] = [
        ("links", Schedule::every(config.links_every), check_links),
        ("cache", Schedule::every(config.cache_every), warm_cache),
        ("newsletter", config.newsletter(), write_newsletter),
    ];
    for (name, schedule, job) in jobs {
        let (blog, scheduler) = (blog.clone(), scheduler.clone());
        host.startup_task(name, move |_| {
            blog.chaos.at_start(name)?;
            let mut entry = scheduler.entry(name, schedule.clone());
            if name != "newsletter" || blog.chaos.is_for(name) {
                entry = entry.run_at_start();
            }
            let shared = blog.clone();
            let entry = entry.run(move |ctx| {
                shared.chaos.at_work(name)?;
                job(&shared, ctx)
            })?;
            blog.triggers.0.lock().unwrap().insert(name, entry);
            Ok(())
        })
        .after("posts");
    }
}

/// Looks for links to files that are not there.
fn check_links(blog: &Blog, ctx: &RunContext<'_>) -> ServiceResult {
    let posts = blog.archive.posts();
    let token = ctx.token();
    let checked = blog.workers.map(&posts, |post| {
        token.check()?;
        let links = post
            .local_links()
            .map(|(link, path)| (link.to_owned(), path.exists()));
        Ok(links.collect::<Vec<_>>())
    });
    let checked: Vec<Vec<(String, bool)>> = match checked {
        Err(TaskError::Unstarted) => return Ok(()), // the pool stops
        checked => checked?
            .into_iter()
            .collect::<Result<_, groundcrew::cancel::Cancelled>>()?,
    };
    let count: usize = checked.iter().map(Vec::len).sum();
    let mut broken = Vec::new();
    for (post, links) in posts.iter().zip(&checked) {
        for (link, _) in links.iter().filter(|(_, is_there)| !is_there) {
            broken.push(format!("{} links to {link}", post.path.display()));
        }
    }
    blog.screen.print(&format!(
        "links: {count} checked, {} broken{}",
        broken.len(),
        listed(&broken, NAMED)
    ));
    Ok(())
}

/// Makes the pages of the newest posts.
fn warm_cache(blog: &Blog, ctx: &RunContext<'_>) -> ServiceResult {
    let mut pages = HashMap::new();
    for post in blog.archive.newest(WARM) {
        ctx.token().check()?;
        ctx.note(post.path.display().to_string());
        if let Ok(page) = post.page() {
            pages.insert(post.path.clone(), page); // or it is gone
        }
    }
    *blog.cache.lock().unwrap() = pages;
    Ok(())
}

fn write_newsletter(blog: &Blog, ctx: &RunContext<'_>) -> ServiceResult {
    let posts = blog.archive.newest(NEWS);
    let titles: Vec<&str> = posts.iter().map(|post| post.title.as_str()).collect();
    let subject = format!("newsletter: {}", titles.join(", "));
    // Also when its stop is requested: every address on the list gets it, now or in the next run.
    for reader in blog.readers.iter() {
        blog.emails.write(reader, &subject, ctx.token());
    }
    blog.screen.print(&format!(
        "newsletter: written to {} readers",
        blog.readers.len()
    ));
    Ok(())
}
