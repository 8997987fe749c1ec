//! What goes by the clock: broken links, the cache, the newsletter.

use crate::chaos::Chaos;
use crate::config::Config;
use crate::email::Emails;
use crate::library::Library;
use crate::listed;
use crate::screen::Screen;
use groundcrew::{
    HostBuilder, RunContext, Schedule, ScheduleEntry, Scheduler, ServiceResult, Submitter,
    TaskError,
};
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

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

/// So many pages are kept ready, and so many posts are in a newsletter.
const WARM: usize = 100;
const NEWS: usize = 5;

#[derive(Clone)]
pub(crate) struct Jobs {
    pub(crate) library: Arc<Library>,
    pub(crate) workers: Submitter,
    pub(crate) cache: Arc<Cache>,
    pub(crate) emails: Emails,
    pub(crate) readers: Vec<String>,
    pub(crate) screen: Screen,
    pub(crate) chaos: Chaos,
}

impl Jobs {
    /// Adds each to the scheduler in a task of the start.
    pub(crate) fn add(
        &self,
        config: &Config,
        host: &mut HostBuilder,
        scheduler: &Scheduler,
        triggers: &Arc<Triggers>,
    ) {
        type Job = fn(&Jobs, &RunContext<'_>) -> ServiceResult;
        let jobs: [(&str, Schedule, Job); 3] = [
            (
                "links",
                Schedule::every(config.links_every),
                Jobs::check_links,
            ),
            (
                "cache",
                Schedule::every(config.cache_every),
                Jobs::warm_cache,
            ),
            ("newsletter", config.newsletter(), Jobs::write_newsletter),
        ];
        for (name, schedule, job) in jobs {
            let (jobs, scheduler, triggers) = (self.clone(), scheduler.clone(), triggers.clone());
            host.startup_task(name, move |_| {
                jobs.chaos.at_start(name)?;
                let mut entry = scheduler.entry(name, schedule.clone());
                if name != "newsletter" || jobs.chaos.is_for(name) {
                    entry = entry.run_at_start();
                }
                let jobs = jobs.clone();
                let entry = entry.run(move |ctx| {
                    jobs.chaos.at_work(name)?;
                    job(&jobs, ctx)
                })?;
                triggers.0.lock().unwrap().insert(name, entry);
                Ok(())
            })
            .after(["posts"]);
        }
    }

    /// Looks for links to files that are not there.
    fn check_links(&self, ctx: &RunContext<'_>) -> ServiceResult {
        let posts = self.library.posts();
        let token = ctx.token();
        let checked = self.workers.map(&posts, |post| {
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
                .collect::<Result<_, groundcrew::Cancelled>>()?,
        };
        let count: usize = checked.iter().map(Vec::len).sum();
        let mut broken = Vec::new();
        for (post, links) in posts.iter().zip(&checked) {
            for (link, _) in links.iter().filter(|(_, is_there)| !is_there) {
                broken.push(format!("{} links to {link}", post.path.display()));
            }
        }
        self.screen.print(&format!(
            "links: {count} checked, {} broken{}",
            broken.len(),
            listed(&broken)
        ));
        Ok(())
    }

    /// Makes the pages of the newest posts.
    fn warm_cache(&self, ctx: &RunContext<'_>) -> ServiceResult {
        let mut pages = HashMap::new();
        for post in self.library.newest(WARM) {
            ctx.token().check()?;
            ctx.note(post.path.display().to_string());
            if let Ok(page) = post.page() {
                pages.insert(post.path.clone(), page); // or it is gone
            }
        }
        *self.cache.lock().unwrap() = pages;
        Ok(())
    }

    fn write_newsletter(&self, ctx: &RunContext<'_>) -> ServiceResult {
        let posts = self.library.newest(NEWS);
        let titles: Vec<&str> = posts.iter().map(|post| post.title.as_str()).collect();
        let subject = format!("newsletter: {}", titles.join(", "));
        // Also when it is told to stop: who is on the list gets it, now or from the next run.
        for reader in &self.readers {
            self.emails.write(reader, &subject, ctx.token());
        }
        self.screen.print(&format!(
            "newsletter: written to {} readers",
            self.readers.len()
        ));
        Ok(())
    }
}

/// Whether the page is ready.
pub(crate) fn is_warm(cache: &Cache, path: &Path) -> bool {
    cache.lock().unwrap().contains_key(path)
}
