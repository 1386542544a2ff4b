//! Floor 5: reports on a screen. Reports and keys in, pictures and wishes out; no terminal, no clock, no files.
//!
//! [`Screen`] is the state, [`Screen::take_in`] a report and [`Screen::update`] by a [`Message`] change it, [`draw`] makes a picture of it. Whoever
//! owns the terminal turns its keys into messages by [`message_of`] and carries out each [`Wish`].

mod cells;
mod columns;
mod draw;
mod history;
mod identity;
mod input;
mod kind;
mod model;
mod page;
mod rows;

pub use draw::draw;
pub use input::message_of;
pub use model::{Look, Message, Screen, Wish};
