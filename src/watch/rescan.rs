//! How much to look at again. Pure.

/// What is known before a look.
#[derive(Clone, Copy, Default)]
pub(super) struct Signs {
    /// The system reported paths.
    pub(super) has_paths: bool,
    /// One of these paths is a link: files anywhere may be reached through it.
    pub(super) has_link: bool,
    /// The system reported that something changed, but not what.
    pub(super) lost_events: bool,
    /// The folder is another one than at the last look, or is gone, or was not watched since.
    pub(super) is_another: bool,
    /// It is time for a full rescan.
    pub(super) is_time: bool,
    /// The system does not report everything about this folder.
    pub(super) is_partial: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rescan {
    None,
    /// The paths that the system reported, and what is below them.
    Paths,
    All,
}

pub(super) fn decide(signs: Signs) -> Rescan {
    let Signs {
        has_paths,
        has_link,
        lost_events,
        is_another,
        is_time,
        is_partial,
    } = signs;
    if has_link || lost_events || is_another || is_time || is_partial {
        Rescan::All
    } else if has_paths {
        Rescan::Paths
    } else {
        Rescan::None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_looked_at_without_a_sign_and_reported_paths_by_themselves() {
        assert_eq!(decide(Signs::default()), Rescan::None);
        let paths = Signs {
            has_paths: true,
            ..Signs::default()
        };
        assert_eq!(decide(paths), Rescan::Paths);
    }

    #[test]
    fn any_sign_that_paths_are_not_all_leads_to_a_full_rescan() {
        let set: [fn(&mut Signs); 5] = [
            |signs| signs.has_link = true,
            |signs| signs.lost_events = true,
            |signs| signs.is_another = true,
            |signs| signs.is_time = true,
            |signs| signs.is_partial = true,
        ];
        for set in set {
            for has_paths in [false, true] {
                let mut signs = Signs {
                    has_paths,
                    ..Signs::default()
                };
                set(&mut signs);
                assert_eq!(decide(signs), Rescan::All);
            }
        }
    }
}
