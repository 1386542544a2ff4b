//! Floor 5: the actor that owns the tables. Drains, folds, publishes.

mod actor;
mod admitted;
mod alarm;
mod arrivals;
mod budget;
mod clock;
mod cost;
mod error;
mod groups;
pub mod inspect;
mod intake;
mod kernel_log;
mod left_out;
mod living;
mod outlet;
mod pictures;
mod pod_names;
mod progress;
mod recorder;
mod reporter;
mod sampling;
mod self_usage;
mod settings;
mod signals;
mod tables;
mod target;
mod unseen;
mod unwinding;

pub use actor::{Outcome, run};
pub use error::DaemonError;
pub use outlet::{Outlet, Publication, Published};
pub use recorder::Recording;
pub use settings::{AlertSettings, LinkFor, SamplingWish, Settings, StaticProbeWish};
