//! Floor 5: the actor that owns the tables. Drains, folds, publishes.

mod actor;
mod admitted;
mod alarm;
mod arrivals;
mod clock;
mod cost;
mod error;
pub mod inspect;
mod intake;
mod kernel_log;
mod left_out;
mod outlet;
mod pictures;
mod pod_names;
mod progress;
mod reporter;
mod self_usage;
mod settings;
mod signals;
mod target;
mod unseen;
mod unwinding;

pub use actor::{Outcome, run};
pub use error::DaemonError;
pub use outlet::{Outlet, Publication, Published};
pub use settings::{AlertSettings, LinkFor, Settings};
