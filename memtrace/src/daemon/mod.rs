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
mod looks;
mod outlet;
mod pictures;
mod pod_names;
mod progress;
mod reporter;
mod sampling;
mod self_usage;
mod settings;
mod signals;
mod target;
mod unseen;
mod unwinding;
mod windowing;
mod windows;

pub use actor::{Outcome, run};
pub use error::DaemonError;
pub use outlet::{Outlet, Publication, Published};
pub use settings::{AlertSettings, LinkFor, SamplingWish, Settings};
pub use windowing::Window;
