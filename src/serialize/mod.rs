//! The feature `serde`: reports and statistics as data, for logs and dashboards.
//!
//! All of them follow one rule. A field has the name of its method, without `is_`. A duration is
//! a number of seconds, a moment of the wall clock a number of seconds since 1970. What is handed
//! back is given by its identity, or, where it has none, by its count. An enum is a map with its
//! variant as `kind`. New fields may be added; those here keep their names.
//
// `QueueStats`, `HostPhase` and `ServiceState` derive theirs, by the same rule.

mod host;
#[cfg(feature = "jobs")]
mod jobs;
mod pool;
mod work;

use std::time::{Duration, SystemTime};

/// Implements `Serialize` with the fields that are listed.
macro_rules! serialize {
    ($type:ident $(<$param:ident>)?, |$it:ident| {
        $($(#[$cfg:meta])? $field:ident: $value:expr),+ $(,)?
    }) => {
        impl $(<$param>)? serde::Serialize for $type $(<$param>)? {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                use serde::ser::SerializeStruct;
                let $it = self;
                let fields = [$($(#[$cfg])? stringify!($field)),+].len();
                let mut data = serializer.serialize_struct(stringify!($type), fields)?;
                $($(#[$cfg])? data.serialize_field(stringify!($field), &$value)?;)+
                data.end()
            }
        }
    };
}
use serialize;

/// Implements `Serialize` for an enum: the `kind`, and the fields of that variant beside it.
macro_rules! serialize_kinds {
    ($type:ident { $($variant:pat => $kind:literal { $($field:ident: $value:expr),* }),+ $(,)? }) => {
        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                use serde::ser::SerializeMap;
                // The variants differ in their fields, so the length is not known before.
                let mut data = serializer.serialize_map(None)?;
                match self {
                    $($variant => {
                        data.serialize_entry("kind", $kind)?;
                        $(data.serialize_entry(stringify!($field), &$value)?;)*
                    })+
                }
                data.end()
            }
        }
    };
}
use serialize_kinds;

fn seconds(duration: Duration) -> f64 {
    duration.as_secs_f64()
}

fn maybe_seconds(duration: Option<Duration>) -> Option<f64> {
    duration.map(seconds)
}

fn unix_time(moment: SystemTime) -> f64 {
    match moment.duration_since(SystemTime::UNIX_EPOCH) {
        Ok(after) => seconds(after),
        // A clock that is set to before 1970 is wrong, but its time is still a time.
        Err(before) => -seconds(before.duration()),
    }
}
