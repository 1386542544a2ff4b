//! What a probe costs here, measured on functions of our own.
//!
//! The kernel emulates some instructions under a breakpoint and single-steps the others; how dear
//! each is differs by a factor of 50 between machines, so it is measured and not assumed.

use super::code_tables::FilePages;
use super::error::LiveError;
use super::kernel_side::{KernelSide, Prober};
use super::link::{Part, Point, Programs, Purpose};
use memtrace_common::classes::SizeClasses;
use memtrace_common::function::FunctionId;
use memtrace_common::site::{Aligned, NO_ARGUMENT, Role, Site};
use memtrace_common::unwind::CodeRange;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::Instant;

// Two functions whose first instructions we know: one that every kernel with uprobes emulates, one
// that every kernel single-steps.
std::arch::global_asm!(
    ".text",
    ".balign 16",
    ".globl memtrace_calibration_emulated",
    ".type memtrace_calibration_emulated, @function",
    "memtrace_calibration_emulated:",
    "push rbp",
    "pop rbp",
    "ret",
    ".size memtrace_calibration_emulated, . - memtrace_calibration_emulated",
    ".balign 16",
    ".globl memtrace_calibration_stepped",
    ".type memtrace_calibration_stepped, @function",
    "memtrace_calibration_stepped:",
    "test rdi, rdi",
    "ret",
    ".size memtrace_calibration_stepped, . - memtrace_calibration_stepped",
    // Calls the function in its second argument below as many frames as the first one says, with
    // what the tracer's programs want to see: a size or block in rdi, a block in rax.
    ".balign 16",
    ".type memtrace_calibration_deep, @function",
    ".globl memtrace_calibration_deep",
    "memtrace_calibration_deep:",
    "push rbp",
    "mov rbp, rsp",
    "dec rdi",
    "jz 2f",
    "call memtrace_calibration_deep",
    "pop rbp",
    "ret",
    "2:",
    "mov edi, 64",
    "mov rax, rbp",
    "call rsi",
    "pop rbp",
    "ret",
    ".size memtrace_calibration_deep, . - memtrace_calibration_deep",
);

unsafe extern "C" {
    fn memtrace_calibration_emulated();
    fn memtrace_calibration_stepped();
    fn memtrace_calibration_deep(frames: u64, function: unsafe extern "C" fn());
}

/// Calls in a batch: some 200 µs, a tenth of a time slice or less.
const CALLS: u32 = 200;

/// Frames of the call stack below which [`measure_traced`] calls.
pub const TRACED_FRAMES: u64 = 12;

/// Nanoseconds per hit of a probe.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Prices {
    /// An entry on an emulated instruction.
    pub entry: f64,
    /// An entry on a single-stepped instruction.
    pub entry_stepped: f64,
    /// An entry on an emulated instruction and its return.
    pub call: f64,
    /// An entry on a single-stepped instruction and its return.
    pub call_stepped: f64,
}

/// The file offset of a function of this executable.
fn offset_of(function: unsafe extern "C" fn()) -> Result<u64, LiveError> {
    let address = function as usize as u64;
    let maps = std::fs::read_to_string("/proc/self/maps").map_err(own_maps)?;
    maps.lines()
        .find_map(|line| file_offset(line, address))
        .ok_or_else(|| own_maps("a function of ours is in no mapping"))
}

/// Bytes around a function above in which the others are, too.
const NEAR: u64 = 4096;

/// Where the functions above are mapped, for the kernel side's tables of code; `pages` are those of our
/// executable. With it, [`measure_traced`] measures walks by tables.
///
/// # Errors
/// When our mappings cannot be read.
pub fn own_code(pages: FilePages) -> Result<CodeRange, LiveError> {
    let address = memtrace_calibration_deep as *const () as usize as u64;
    let offset = offset_of(memtrace_calibration_emulated)?;
    let emulated = memtrace_calibration_emulated as *const () as usize as u64;
    Ok(CodeRange {
        start: address.saturating_sub(NEAR),
        end: address + NEAR,
        to_offset: offset.wrapping_sub(emulated),
        file: 1,
        first_page: pages.first,
        low_page: pages.low,
        pages: pages.count,
    })
}

fn own_maps(error: impl std::fmt::Display) -> LiveError {
    LiveError::Object(format!("reading our own mappings: {error}"))
}

fn file_offset(line: &str, address: u64) -> Option<u64> {
    let mut words = line.split_ascii_whitespace();
    let (start, end) = words.next()?.split_once('-')?;
    let offset = words.nth(1)?;
    let number = |text| u64::from_str_radix(text, 16).ok();
    let (start, end) = (number(start)?, number(end)?);
    (start..end).contains(&address).then_some(address - start + number(offset)?)
}

fn point(function: unsafe extern "C" fn(), returns: bool) -> Result<Point, LiveError> {
    Ok(Point {
        offset: offset_of(function)?,
        cookie: 0,
        part: if returns { Part::Call } else { Part::Entry },
        semaphore: None,
    })
}

/// A kind of hit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kind {
    /// The return is waited for, too.
    pub returns: bool,
    /// The kernel emulates the probed instruction; else it single-steps it.
    pub emulated: bool,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 4] = [
        Self { returns: false, emulated: true },
        Self { returns: false, emulated: false },
        Self { returns: true, emulated: true },
        Self { returns: true, emulated: false },
    ];

    fn function(self) -> unsafe extern "C" fn() {
        if self.emulated { memtrace_calibration_emulated } else { memtrace_calibration_stepped }
    }

    /// A place of this kind.
    pub(super) fn point(self) -> Result<Point, LiveError> {
        point(self.function(), self.returns)
    }

    /// Calls the function at [`Self::point`].
    pub(super) fn call(self) {
        // SAFETY: the functions above take nothing, give nothing, and keep all registers.
        unsafe { self.function()() };
    }
}

/// Our own executable.
pub(super) const OURSELVES: &str = "/proc/self/exe";

/// A place whose return matters.
pub(super) fn return_point() -> Result<Point, LiveError> {
    point(memtrace_calibration_emulated, true)
}

/// Calls the function at [`return_point`].
pub(super) fn call_probed_function() {
    // SAFETY: it takes nothing, gives nothing, and keeps all registers.
    unsafe { memtrace_calibration_emulated() };
}

/// Tries a link of every program on functions of ours, which nobody may call until the links are closed.
pub(super) fn can_link(programs: &Programs) -> Result<Vec<OwnedFd>, LiveError> {
    let points =
        [point(memtrace_calibration_emulated, true)?, point(memtrace_calibration_stepped, false)?];
    programs.attach(Path::new(OURSELVES), &points, Some(std::process::id()))
}

/// Nanoseconds per call of `function`.
fn time(function: unsafe extern "C" fn(), calls: u32) -> f64 {
    median_of_batches(calls, || {
        // SAFETY: the functions above take nothing, give nothing, and keep all registers.
        unsafe { function() };
    })
}

/// As [`time`], called below [`TRACED_FRAMES`] frames.
fn time_deep(function: unsafe extern "C" fn(), calls: u32) -> f64 {
    median_of_batches(calls, || {
        // SAFETY: it keeps to the C convention, calls a function above, and ends after as many
        // levels as it is told, which is not zero.
        unsafe { memtrace_calibration_deep(TRACED_FRAMES, function) };
    })
}

/// The median of many short batches: of those few are preempted, and the others do not care.
fn median_of_batches(calls: u32, mut call: impl FnMut()) -> f64 {
    const BATCHES: usize = 31;
    let mut batches = [0.0; BATCHES];
    for batch in &mut batches {
        let began = Instant::now();
        for _ in 0..calls {
            call();
        }
        *batch = began.elapsed().as_nanos() as f64 / f64::from(calls);
    }
    batches.sort_by(f64::total_cmp);
    batches[BATCHES / 2]
}

/// Measures the prices of a program that does nothing. Takes some tenths of a second, most of which is
/// waiting for links to be closed, and needs no thread in particular.
///
/// # Errors
/// When a link cannot be made.
pub fn measure(prober: Prober) -> Result<Prices, LiveError> {
    let prober = prober.without_trial();
    let price = |function, returns, calls| -> Result<f64, LiveError> {
        let bare = time(function, calls);
        let point = point(function, returns)?;
        let ourselves = Some(std::process::id());
        let path = Path::new(OURSELVES);
        let _links = prober.attach_for(Purpose::Nothing, path, &[point], ourselves)?;
        Ok((time(function, calls) - bare).max(0.0))
    };
    Ok(Prices {
        entry: price(memtrace_calibration_emulated, false, CALLS)?,
        entry_stepped: price(memtrace_calibration_stepped, false, CALLS / 10)?,
        call: price(memtrace_calibration_emulated, true, CALLS)?,
        call_stepped: price(memtrace_calibration_stepped, true, CALLS / 10)?,
    })
}

/// Measures the prices of the tracer's own programs, with a call stack of [`TRACED_FRAMES`] frames
/// and a record of each call in the ring (in all some 700 KB, which nobody needs to
/// read). This process is a target meanwhile. The trap is not measured again: `empty` are the prices
/// of a program that does nothing.
///
/// # Errors
/// When a link cannot be made.
pub fn measure_traced(kernel: &mut KernelSide, empty: &Prices) -> Result<Prices, LiveError> {
    kernel.add_target(std::process::id())?;
    let traced = |returns| -> Result<f64, LiveError> {
        let function = memtrace_calibration_emulated;
        let bare = time_deep(function, CALLS);
        let point = Point { cookie: site(returns).pack(), ..point(function, returns)? };
        let ourselves = Some(std::process::id());
        let _links =
            kernel.attach_for(Purpose::Trace, Path::new(OURSELVES), &[point], ourselves)?;
        Ok((time_deep(function, CALLS) - bare).max(0.0))
    };
    let measured = traced(false).and_then(|entry| Ok((entry, traced(true)?)));
    kernel.remove_target(std::process::id());
    let (entry, call) = measured?;
    Ok(Prices {
        entry,
        entry_stepped: empty.entry_stepped + (entry - empty.entry).max(0.0),
        call,
        call_stepped: empty.call_stepped + (call - empty.call).max(0.0),
    })
}

/// As which function the tracer's programs see ours: `malloc`, or without a return `free`.
const fn site(returns: bool) -> Site {
    let malloc = Site {
        function: FunctionId::MALLOC,
        role: Role::Allocate,
        classes: SizeClasses::UNKNOWN,
        size: 0,
        count: NO_ARGUMENT,
        pointer: NO_ARGUMENT,
        result_by_pointer: false,
        nests: false,
        exits: false,
        pushed: 0,
        aligned: Aligned::No,
        span_below: 0,
        span_above: 0,
    };
    if returns {
        return malloc;
    }
    Site { function: FunctionId::FREE, role: Role::Free, size: NO_ARGUMENT, pointer: 0, ..malloc }
}

#[cfg(test)]
mod tests {
    use super::file_offset;

    #[test]
    fn maps_lines_give_offsets() {
        let line = "1000-3000 r-xp 00000800 fe:00 123 /usr/bin/x y";
        assert_eq!(file_offset(line, 0x1010), Some(0x810));
        assert_eq!(file_offset(line, 0x3000), None);
        assert_eq!(file_offset("garbage", 1), None);
        assert_eq!(file_offset("", 1), None);
    }
}
