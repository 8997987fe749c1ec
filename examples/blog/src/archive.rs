//! The posts that there are, and those that are still to be read.

use crate::post::{Post, Stamp};
use crate::spool;
use groundcrew::channel::{Receiver, Sender, bounded};
use log::debug;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::mem;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, RwLock};

/// Written by the tasks that read posts, and by the watcher; read by everybody.
pub(crate) struct Archive {
    posts: RwLock<BTreeMap<PathBuf, Arc<Post>>>,
    /// Those that are to be read, and why they have not been.
    unread: Mutex<BTreeMap<PathBuf, String>>,
    has_looked: AtomicBool,
    /// Where they are saved.
    file: PathBuf,
    saved: Mutex<Saved>,
    /// What the search has not heard of.
    news: Mutex<BTreeSet<PathBuf>>,
    ring: Sender<()>,
    /// Rung when there are news.
    pub(crate) bell: Receiver<()>,
}

/// The posts of an earlier run.
enum Saved {
    OnDisk,
    /// Until they are found to be the same.
    Here(BTreeMap<PathBuf, Post>),
    /// They are of no use any more, or were wrong.
    Forgotten,
}

impl Archive {
    pub(crate) fn new(file: PathBuf) -> Archive {
        let (ring, bell) = bounded(1);
        Archive {
            posts: RwLock::default(),
            unread: Mutex::default(),
            has_looked: AtomicBool::new(false),
            file,
            saved: Mutex::new(Saved::OnDisk),
            news: Mutex::default(),
            ring,
            bell,
        }
    }

    /// Finds what an earlier run has saved, unless that was forgotten.
    pub(crate) fn load(&self) -> io::Result<()> {
        let mut saved = self.saved.lock().unwrap();
        if matches!(*saved, Saved::OnDisk) {
            *saved = Saved::Forgotten;
            let parse = |line: &str| Post::from_json(&serde_json::from_str(line).ok()?);
            let posts = spool::read(&self.file, parse)?;
            let posts = posts.into_iter().map(|post| (post.path.clone(), post));
            *saved = Saved::Here(posts.collect());
        }
        Ok(())
    }

    pub(crate) fn forget_saved(&self) {
        *self.saved.lock().unwrap() = Saved::Forgotten;
    }

    pub(crate) fn save(&self) -> io::Result<()> {
        let posts = self.posts.read().unwrap();
        let saved = self.saved.lock().unwrap();
        // Those that this run did not come to are as good as they were.
        let unseen = match &*saved {
            Saved::OnDisk => return Ok(()),
            Saved::Here(saved) => Some(saved.values()),
            Saved::Forgotten => None,
        };
        let all = posts
            .values()
            .map(Arc::as_ref)
            .chain(unseen.into_iter().flatten());
        let all = all.filter(|post| post.path.to_str().is_some()); // JSON is text
        spool::replace(&self.file, all.map(Post::to_json))
    }

    /// These are to be read; at first all there are.
    pub(crate) fn announce<'a>(&self, paths: impl Iterator<Item = &'a Path>) {
        self.has_looked.store(true, Relaxed);
        let mut unread = self.unread.lock().unwrap();
        unread.extend(paths.map(|path| (path.to_owned(), "not reached".to_owned())));
    }

    /// Reads a post, unless it was saved and is still the same.
    pub(crate) fn read(&self, path: &Path) -> io::Result<()> {
        let saved = match &mut *self.saved.lock().unwrap() {
            Saved::Here(saved) => saved.remove(path),
            Saved::OnDisk | Saved::Forgotten => None,
        };
        let post = match saved {
            Some(post) if Stamp::of(path)? == post.stamp => post,
            _ => Post::read(path)?,
        };
        self.posts
            .write()
            .unwrap()
            .insert(path.to_owned(), Arc::new(post));
        self.unread.lock().unwrap().remove(path);
        self.tell(path);
        debug!("{} is read", path.display());
        Ok(())
    }

    /// It could not be read.
    pub(crate) fn blame(&self, path: &Path, why: String) {
        self.unread.lock().unwrap().insert(path.to_owned(), why);
    }

    /// It is gone.
    pub(crate) fn remove(&self, path: &Path) {
        self.posts.write().unwrap().remove(path);
        self.unread.lock().unwrap().remove(path);
        self.tell(path);
    }

    fn tell(&self, path: &Path) {
        self.news.lock().unwrap().insert(path.to_owned());
        let _ = self.ring.try_send(()); // if it is rung already, that does
    }

    /// What has changed since the last call.
    pub(crate) fn take_news(&self) -> BTreeSet<PathBuf> {
        mem::take(&mut self.news.lock().unwrap())
    }

    pub(crate) fn post(&self, path: &Path) -> Option<Arc<Post>> {
        self.posts.read().unwrap().get(path).cloned()
    }

    pub(crate) fn posts(&self) -> Vec<Arc<Post>> {
        self.posts.read().unwrap().values().cloned().collect()
    }

    /// One of them, at random.
    pub(crate) fn any(&self) -> Option<Arc<Post>> {
        let posts = self.posts.read().unwrap();
        let nth = fastrand::usize(..posts.len().max(1));
        posts.values().nth(nth).cloned()
    }

    /// The newest first.
    pub(crate) fn newest(&self, count: usize) -> Vec<Arc<Post>> {
        let mut posts = self.posts();
        posts.sort_by_key(|post| std::cmp::Reverse(post.stamp.modified));
        posts.truncate(count);
        posts
    }

    /// Whether it is known which posts there are.
    pub(crate) fn has_looked(&self) -> bool {
        self.has_looked.load(Relaxed)
    }

    pub(crate) fn unread(&self) -> BTreeMap<PathBuf, String> {
        self.unread.lock().unwrap().clone()
    }
}
