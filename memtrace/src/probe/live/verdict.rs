//! What this kernel's verifier says of each program: how much work it was to check, or why not.

use super::error::LiveError;
use super::kernel_side::{LoadOptions, load_object};
use super::object::Relocated;
use super::sampling::Sampling;
use super::syscall::{ATTACH_SESSION, PROGRAM_KPROBE};
use memtrace_common::config::UnwindMode;
use std::time::{Duration, Instant};

/// The verdict on one program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// The program's name.
    pub program: String,
    /// What it is attached to.
    pub kind: &'static str,
    /// What came of loading it.
    pub outcome: Outcome,
}

/// What comes of loading a program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It can run.
    Verified(Effort),
    /// The kernel has not what the program is for, so another one runs there; the text says what.
    Absent(String),
    /// The verifier objects; the text is its last word.
    Refused(String),
}

/// What it took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Effort {
    /// Instructions that the verifier went through, a million being its limit.
    pub instructions: u64,
    /// Bytes of stack, with all that the program calls; 512 are allowed on each path.
    pub stack_bytes: u64,
    /// The whole system call: verification and compilation.
    pub time: Duration,
}

/// Loads each program once, attached to nothing, and tells how that went, by name.
///
/// # Errors
/// When the maps cannot be made, so that no program can be tried.
pub fn verdicts() -> Result<Vec<Verdict>, LiveError> {
    // With all that programs can do switched on.
    let unwind = UnwindMode::Auto;
    // Everything switched on: that is most to verify.
    let sampling = Some(Sampling { interval: 1, room: 1 });
    let options = LoadOptions { ring_bytes: 1 << 16, unwind, sampling, ..LoadOptions::default() };
    let (_maps, object) = load_object(options)?;
    let mut verdicts: Vec<Verdict> =
        object.programs().map(|(name, kind)| verdict(&object, name, kind)).collect();
    verdicts.sort_by(|a, b| a.program.cmp(&b.program));
    Ok(verdicts)
}

fn verdict(object: &Relocated, name: &str, program_type: u32) -> Verdict {
    let is_session = name.ends_with("_session");
    let kind = match program_type {
        PROGRAM_KPROBE if is_session => "session link",
        PROGRAM_KPROBE => "multi or perf link",
        _ => "tracepoint",
    };
    let began = Instant::now();
    let outcome = match object.verify(name, if is_session { ATTACH_SESSION } else { 0 }) {
        Ok((Ok(_program), log)) => {
            Outcome::Verified(Effort { time: began.elapsed(), ..effort(&log) })
        }
        Ok((Err(error), log)) => refused(&error, objection(&log)),
        Err(LiveError::Btf(what)) => Outcome::Absent(what),
        Err(error) => Outcome::Refused(error.to_string()),
    };
    Verdict { program: name.to_owned(), kind, outcome }
}

/// A function of the kernel that it does not lend to programs of this kind is not there for them:
/// 6.12 has the functions of sessions, but only for kprobes.
fn refused(error: &std::io::Error, objection: &str) -> Outcome {
    if objection.starts_with("calling kernel function ") && objection.ends_with(" is not allowed") {
        return Outcome::Absent(objection.to_owned());
    }
    Outcome::Refused(format!("{error}: {objection}"))
}

/// Reads `stack depth 200+8`, behind which Linux 7.2 says more, and `processed 4711 insns (limit …`.
fn effort(log: &str) -> Effort {
    let behind = |start| log.lines().find_map(|line| line.strip_prefix(start));
    let stack = behind("stack depth ").map_or(0, |depths| {
        let number = |depth: &str| depth.split(' ').next()?.parse::<u64>().ok();
        depths.split('+').filter_map(number).sum()
    });
    let instructions = behind("processed ")
        .and_then(|rest| rest.split(' ').next()?.parse().ok())
        .unwrap_or_default();
    Effort { instructions, stack_bytes: stack, time: Duration::ZERO }
}

/// The line before the sums.
fn objection(log: &str) -> &str {
    let is_sum = |line: &&str| {
        ["processed ", "verification time ", "stack depth "].iter().any(|sum| line.starts_with(sum))
    };
    log.lines().rfind(|line| !is_sum(line)).unwrap_or("no reason was given").trim()
}

#[cfg(test)]
mod tests {
    use super::{Outcome, effort, objection, refused};

    #[test]
    fn sums_are_read() {
        let log = "verification time 5342 usec\nstack depth 200+8+0\nprocessed 4711 insns (limit \
                   1000000) max_states_per_insn 4 total_states 9 peak_states 9 mark_read 3\n";
        let effort = effort(log);
        assert_eq!((effort.instructions, effort.stack_bytes), (4711, 208));
        assert_eq!(super::effort("stack depth 80+8 max 88\n").stack_bytes, 88);
        assert_eq!(super::effort(""), super::Effort::default());
    }

    #[test]
    fn a_function_that_is_not_lent_is_absent() {
        let error = || std::io::Error::from_raw_os_error(13);
        let absent = refused(&error(), "calling kernel function bpf_x is not allowed");
        assert_eq!(absent, Outcome::Absent("calling kernel function bpf_x is not allowed".into()));
        assert!(matches!(refused(&error(), "R1 invalid mem access"), Outcome::Refused(_)));
    }

    #[test]
    fn the_objection_is_the_last_line_that_is_no_sum() {
        let log = "func#0\nunknown func bpf_x#999\nverification time 7 usec\nprocessed 1 insns\n";
        assert_eq!(objection(log), "unknown func bpf_x#999");
        assert_eq!(objection(""), "no reason was given");
    }
}
