//! Who did not start.

use crate::sync::OnceLock;
use crate::task::{Meta, TaskInfo};

/// The unstarted tasks of a report. Made into `TaskInfo` when first asked for, so that a
/// backlog of a million does not cost the stop its deadline.
pub(super) struct Unstarted {
    metas: Vec<Meta>,
    infos: OnceLock<Vec<TaskInfo>>,
}

impl Unstarted {
    pub(super) fn new(metas: Vec<Meta>) -> Unstarted {
        Unstarted {
            metas,
            infos: OnceLock::new(),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.metas.len()
    }

    pub(super) fn infos(&self) -> &[TaskInfo] {
        self.infos.get_or_init(|| {
            let infos = self.metas.iter().map(|meta| TaskInfo::new(meta, 0));
            infos.collect()
        })
    }
}
