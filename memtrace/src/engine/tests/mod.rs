//! Tests of the engine as a whole, against naive models.

mod alerts;
mod any_order;
mod carry;
mod cases;
mod heap_model;
mod lifecycles;
mod naive_space;
mod owners;
mod periods;
mod samples;
mod slices;
mod sweeps;
mod telling;
mod trends;
pub(crate) mod wire_events;
