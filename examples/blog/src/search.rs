//! The search: it keeps the index, and answers what is typed.

use crate::blog::Blog;
use crate::index::Index;
use groundcrew::channel::{Receiver, bounded, select};
use groundcrew::host::ServiceResult;
use groundcrew::{Service, ServiceContext};
use std::io::{self, BufRead, Read};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::thread;
use std::time::Instant;

#[derive(Clone)]
pub(crate) struct Search {
    pub(crate) blog: Blog,
    pub(crate) index: Arc<Index>,
    pub(crate) lines: Receiver<String>,
}

const HELP: &str = "words to search for, or :links, :cache, :newsletter (now), :sink down, \
                    :sink up, :quit";

impl Service for Search {
    /// Indexes all posts, on all workers.
    fn start(&mut self, ctx: &ServiceContext) -> ServiceResult {
        self.blog.chaos.at_start("search")?;
        self.blog.archive.take_news();
        let posts = self.blog.archive.posts();
        let (index, token) = (&self.index, ctx.token());
        self.blog.workers.for_each(posts, |post| {
            if !token.is_cancelled() {
                index.add(post);
            }
        })?;
        self.tell_size(ctx);
        Ok(())
    }

    fn run(&mut self, ctx: &ServiceContext) -> ServiceResult {
        self.blog.chaos.at_work("search")?;
        let stopped = ctx.token().receiver();
        loop {
            select! {
                recv(stopped) -> _ => return Ok(()),
                recv(self.blog.archive.bell) -> _ => self.update(ctx),
                recv(self.lines) -> line => match line {
                    Ok(line) => self.answer(line.trim(), ctx)?,
                    // Nothing more will be typed.
                    Err(_) => self.lines = groundcrew::channel::never(),
                },
            }
        }
    }
}

impl Search {
    fn update(&self, ctx: &ServiceContext) {
        for path in self.blog.archive.take_news() {
            self.index.remove(&path);
            if let Some(post) = self.blog.archive.post(&path) {
                self.index.add(post);
            }
        }
        self.tell_size(ctx);
    }

    fn tell_size(&self, ctx: &ServiceContext) {
        let (posts, words) = self.index.size();
        ctx.note(format!("{posts} posts, {words} words"));
    }

    fn answer(&self, line: &str, ctx: &ServiceContext) -> ServiceResult {
        self.blog.screen.take_line();
        self.blog.chaos.at_work("search")?;
        match line {
            "" => {}
            ":quit" => ctx.request_stop("quit was typed"),
            ":sink down" => self.blog.mood.is_down.store(true, Relaxed),
            ":sink up" => self.blog.mood.is_down.store(false, Relaxed),
            command if command.starts_with(':') => {
                if !self.blog.triggers.run(&command[1..]) {
                    self.blog.screen.print(HELP);
                }
            }
            query => {
                self.search(query);
                self.blog.events.tell_at_once(format!("search for {query}"));
            }
        }
        Ok(())
    }

    fn search(&self, query: &str) {
        let began = Instant::now();
        let hits = self.index.search(query, 10);
        let took = began.elapsed().as_secs_f64() * 1e3;
        let mut answer = format!("{query:?}: {} found in {took:.1} ms", hits.len());
        for hit in hits {
            let (path, title) = (hit.post.path.display(), &hit.post.title);
            answer += &format!("\n  {:5.2}  {path}  {title}", hit.score);
        }
        self.blog.screen.print(&answer);
    }
}

/// In bytes.
const LONGEST_LINE: u64 = 4096;

/// What is typed, line by line. Nothing ends a read of the terminal, and so a thread does it that is
/// not waited for.
pub(crate) fn typed() -> io::Result<Receiver<String>> {
    let (send, lines) = bounded(16);
    let reader = thread::Builder::new().name("stdin".to_owned());
    reader.spawn(move || {
        let mut stdin = io::stdin().lock();
        let mut line = Vec::new();
        // What is no text is searched for as far as it is; a line without end in pieces.
        while let Ok(1..) = stdin
            .by_ref()
            .take(LONGEST_LINE)
            .read_until(b'\n', &mut line)
        {
            let typed = String::from_utf8_lossy(&line).into_owned();
            if send.send(typed).is_err() {
                return;
            }
            line.clear();
        }
    })?;
    Ok(lines)
}
