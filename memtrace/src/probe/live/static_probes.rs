//! Static probes as places for links: the kernel side is told where their arguments are.

use super::error::LiveError;
use super::kernel_side::{KernelSide, map_error, missing};
use super::link::{Part, Point};
use crate::probe::usdt::{StaticProbe, Tells};
use aya::Pod;
use aya::maps::Array;
use memtrace_common::usdt::{ARGUMENTS, Arguments, Operand};

const MAP: &str = "STATIC_PROBES";

/// As the map holds it.
#[repr(transparent)]
#[derive(Clone, Copy)]
struct Described(Arguments);

// SAFETY: plain integers without padding (asserted where `Operand` is defined).
unsafe impl Pod for Described {}

impl KernelSide {
    /// Where to link these probes. Their counters are raised by links to these places, if they have any.
    ///
    /// # Errors
    /// When there is no room for further descriptions of arguments.
    pub fn static_points(&mut self, probes: &[StaticProbe]) -> Result<Vec<Point>, LiveError> {
        let point = |probe: &StaticProbe| {
            Ok(Point {
                offset: probe.file_offset,
                cookie: self.description(arguments(&probe.operands))?.into(),
                part: match probe.tells {
                    Tells::Allocation => Part::Told,
                    Tells::Free => Part::ToldFree,
                },
                semaphore: probe.semaphore,
            })
        };
        probes.iter().map(point).collect()
    }

    /// The number of a description. Probes whose arguments are in the same places share one.
    fn description(&mut self, arguments: Arguments) -> Result<u32, LiveError> {
        let known = self.descriptions.iter().position(|known| *known == arguments);
        let number = known.unwrap_or(self.descriptions.len());
        let number = u32::try_from(number).map_err(map_error(MAP))?;
        if known.is_none() {
            let map = self.loaded.map_mut(MAP).ok_or_else(|| missing(MAP))?;
            let mut map = Array::<_, Described>::try_from(map).map_err(map_error(MAP))?;
            map.set(number, Described(arguments), 0).map_err(map_error(MAP))?;
            self.descriptions.push(arguments);
        }
        Ok(number)
    }
}

/// As many as the kernel side has room for; none is read that the contract does not have.
fn arguments(operands: &[Operand]) -> Arguments {
    let mut arguments = [Operand::default(); ARGUMENTS];
    for (place, operand) in arguments.iter_mut().zip(operands) {
        *place = *operand;
    }
    arguments
}
