//! The jobs that wait for others.

use crate::store::JobId;
use crate::store::row::ParentEnd;
use std::collections::{BTreeSet, HashMap};

/// Who waits for whom: both ways.
#[derive(Default)]
pub(super) struct Followers {
    children: HashMap<JobId, BTreeSet<JobId>>,
    parents: HashMap<JobId, BTreeSet<JobId>>,
    /// Those that have ended, or are gone, and were waited for.
    ended: Vec<(JobId, ParentEnd)>,
}

impl Followers {
    pub(super) fn add(&mut self, parents: BTreeSet<JobId>, child: JobId) {
        for parent in &parents {
            self.children.entry(*parent).or_default().insert(child);
        }
        if !parents.is_empty() {
            self.parents.insert(child, parents);
        }
    }

    pub(super) fn parents(&self, child: JobId) -> impl Iterator<Item = JobId> {
        self.parents.get(&child).into_iter().flatten().copied()
    }

    pub(super) fn children(&self, parent: JobId) -> impl Iterator<Item = JobId> {
        self.children.get(&parent).into_iter().flatten().copied()
    }

    pub(super) fn ended(&mut self, parent: JobId, how: ParentEnd) {
        if self.children.contains_key(&parent) {
            self.ended.push((parent, how));
        }
    }

    /// The job waits for nothing any more: it is removed.
    pub(super) fn leave(&mut self, child: JobId) {
        for parent in self.parents.remove(&child).unwrap_or_default() {
            self.cut(parent, child);
        }
    }

    fn cut(&mut self, parent: JobId, child: JobId) {
        if let Some(children) = self.children.get_mut(&parent) {
            children.remove(&child);
            if children.is_empty() {
                self.children.remove(&parent);
            }
        }
    }

    /// The next child of a job that has ended, which does not wait for that any more.
    pub(super) fn next(&mut self) -> Option<(JobId, ParentEnd, JobId)> {
        while let Some((parent, how)) = self.ended.last().copied() {
            let child = self.children(parent).next();
            if let Some(child) = child {
                self.cut(parent, child);
                if let Some(parents) = self.parents.get_mut(&child) {
                    parents.remove(&parent);
                }
                return Some((parent, how, child));
            }
            self.ended.pop();
        }
        None
    }
}
