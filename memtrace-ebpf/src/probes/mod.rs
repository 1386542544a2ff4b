//! The programs, by what they watch.

mod admission;
mod baseline;
mod candidates;
mod faults;
mod heap;
mod pages;
mod process;
mod usdt;
mod walks;
