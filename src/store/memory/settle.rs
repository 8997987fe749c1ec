//! What follows from what has come or left.

use super::model::Model;
use super::table::Table;
use crate::store::limit::{Holder, most_admitted, share};
use crate::store::place::Place;
use crate::store::row::Row;
use crate::store::{JobId, JobState};
use std::time::SystemTime;

impl Model {
    /// What follows from what has come, ended or left: jobs that waited for those go on or are
    /// cancelled, and places are given. Returns whether a job is available that was not.
    pub(super) fn settle(&mut self, now: SystemTime) -> bool {
        let mut has_news = self.settle_followers(now);
        for key in self.table.take_touched() {
            let (block, admit) = self.changes(&key);
            has_news |= !admit.is_empty();
            for id in block {
                self.table.change(id, Row::block);
            }
            for id in admit {
                self.table.change(id, Row::admit);
            }
        }
        self.table.take_touched();
        has_news
    }

    /// Lets the jobs go on whose parents have ended, or cancels them, to any depth. Returns whether
    /// there were any.
    pub(super) fn settle_followers(&mut self, now: SystemTime) -> bool {
        let mut has_news = false;
        while let Some((parent, how, child)) = self.table.followers.next() {
            self.table
                .change(child, |row| row.parent_ended(parent, how, now));
            has_news = true;
        }
        has_news
    }

    /// The jobs to block, and those that get a place.
    fn changes(&self, key: &str) -> (Vec<JobId>, Vec<JobId>) {
        let Some(limited) = self.table.limited(key) else {
            return Default::default();
        };
        let is_paused = |queue: &String| self.paused.contains_key(queue);
        let rows = limited.holders.iter().filter_map(|id| self.table.get(*id));
        let holders: Vec<Holder> = rows
            .map(|row| Holder {
                place: Table::place_if_available(&row.job.info),
                is_running: row.job.info.state == JobState::Running,
                is_paused: is_paused(&row.job.info.queue),
            })
            .collect();
        let most = most_admitted(limited.max, &holders);
        let queues = limited
            .blocked
            .iter()
            .filter(|(queue, _)| !is_paused(queue));
        let best = queues.flat_map(|(_, places)| places.iter().take(most));
        let mut blocked: Vec<Place> = best.copied().collect();
        blocked.sort_unstable();
        let share = share(limited.max, holders, blocked.len());
        let admitted = blocked.iter().take(share.admit);
        (share.block, admitted.map(|place| place.id()).collect())
    }
}
