//! Who is to be traced: what was typed becomes wishes that make sense (`wishes`), those a selection of
//! what there is on this machine (`look_up`), and that the processes which match now (`find`).

pub mod args;
pub mod find;
mod look_up;
pub mod users;
pub mod wishes;

pub use args::SelectArgs;
pub use wishes::Wishes;

#[cfg(test)]
mod tests;
