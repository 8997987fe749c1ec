//! The tasks that did not start.

use crate::sync::OnceLock;
use crate::task::TaskInfo;
use crate::worker::Meta;

/// The unstarted tasks of a report. Made into `TaskInfo` by the first read, so that a
/// backlog of a million does not cost the stop its deadline.
pub(super) struct Unstarted {
    /// With the number of attempts that were made.
    metas: Vec<(Meta, u32)>,
    infos: OnceLock<Vec<TaskInfo>>,
}

impl Unstarted {
    pub(super) fn new(metas: Vec<(Meta, u32)>) -> Unstarted {
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
            let infos = self.metas.iter();
            let infos = infos.map(|(meta, attempts)| TaskInfo::new(meta, *attempts));
            infos.collect()
        })
    }
}
