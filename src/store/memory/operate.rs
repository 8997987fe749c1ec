//! What an operator does to several jobs.

use super::model::Model;
use crate::store::{JobId, Operation, StoreError};
use std::time::SystemTime;

impl Model {
    pub(super) fn operate(
        &mut self,
        operation: Operation,
        jobs: &[JobId],
        now: SystemTime,
    ) -> Vec<Result<(), StoreError>> {
        let each = jobs.iter().map(|id| match operation {
            Operation::Cancel => self.cancel(*id, now).map(drop),
            Operation::Retry => self.retry(*id, now),
            Operation::Delete => self.delete(*id),
        });
        each.collect()
    }
}
