//! A program that says that it is ready, takes its work from its input, and says when that is done.

use super::super::Peer;
use super::super::shop::{Program, Shop};
use super::super::watch::{PATIENCE, Watch};
use crate::fixtures::Running;
use anyhow::Result;

/// Such a program after its work: it waits for its end.
pub(super) struct Talked<'a> {
    pub(super) said: Vec<String>,
    pub(super) watch: Watch<'a>,
    /// Declared last: a peer lets go of the program before that ends.
    pub(super) running: Running,
}

/// Starts the program, has it traced, and lets it work.
pub(super) fn talk<'a>(
    shop: &Shop,
    peer: &'a Peer,
    program: Program,
    work: &str,
) -> Result<Talked<'a>> {
    let name = program.name();
    let command = peer.wrap(shop, program)?.command(shop)?;
    let mut running = Running::start_within(command, PATIENCE)?;
    let watch = Watch::begin(shop, peer, running.pid(), &name)?;
    running.give(work)?;
    let said = running.until_done()?;
    Ok(Talked { said, watch, running })
}
