//! How a host is put together.
//!
//! - `builder`: the host's own options, and what is added to it.
//! - `into_service`, `parts`, `factory`: what can be added, and what it consists of.
//! - `service_builder`, `spec`: the options of a service, and whether they can be met.
//! - `service_names`: how a program names several services.
//! - `graph`, `stop_times`: the order of services, and how the time of a stop is divided; pure.

mod builder;
mod factory;
mod graph;
mod into_service;
mod parts;
mod service_builder;
mod service_names;
mod spec;
mod stop_times;

pub use builder::HostBuilder;
pub use into_service::IntoService;
pub use service_builder::ServiceBuilder;
pub use service_names::ServiceNames;

pub(super) use factory::Factory;
#[cfg(feature = "watch")]
pub(crate) use factory::MakeService;
#[cfg(test)]
pub(super) use graph::Graph;
pub(crate) use into_service::IntoParts;
pub(crate) use parts::Parts;
pub(super) use parts::{Kind, Workers};
#[cfg(test)]
pub(super) use stop_times::times_below;
