//! `memtrace doctor`: what this machine and a process allow, and what to do about the rest.

#[cfg_attr(not(feature = "live"), path = "without_live.rs")]
mod live;
mod machine;
pub mod model;
mod render;
mod table;

pub use live::{gather_live, gather_programs};
pub use machine::gather_machine;
pub use render::render;

use super::args::{DoctorArgs, DoctorFormat};
use super::exit::{Exit, UsageError};
use super::output::write_stdout;
use super::plan::functions;
use super::terminal::Style;
use model::{Doctor, Section, Topic};

/// What tracing does to a target, said once, for `doctor` and the manual page.
pub const AFTERMATH: &str = "\
While memtrace is attached, the kernel keeps a breakpoint instruction at each probed function, in a \
copy of that page of code which only the target has: the file and other processes are untouched. When \
memtrace ends, however it ends, the kernel takes the breakpoints out again. What can stay until the \
target exits is a mapping called [uprobes], which nothing uses any more, and a private copy of a \
probed page where the kernel could not put the file's own page back. No code is injected, no data of \
the target is written, nothing is preloaded, and the target is sent no signal.";

/// Examines, and prints what was found.
///
/// # Errors
/// When there is no process to examine, or one of a kind that cannot be traced; when standard output
/// cannot be written.
pub fn run(args: &DoctorArgs) -> anyhow::Result<Exit> {
    let pid = args.pid.or(args.positional_pid);
    if pid.is_none() && functions::are_described(&args.functions) {
        return Err(
            UsageError("functions are looked for in a process: give its PID, too".into()).into()
        );
    }
    let live = gather_live(pid, &functions::all(&args.functions)?)?;
    let mut sections = gather_machine();
    sections.extend(live);
    sections.extend(args.programs.then(gather_programs));
    sections.push(aftermath());
    let doctor = Doctor::new(sections);
    let text = match args.format {
        DoctorFormat::Text => render(&doctor, Style::stdout(args.color)),
        DoctorFormat::Json => serde_json::to_string(&doctor)? + "\n",
    };
    write_stdout(text.as_bytes())?;
    Ok(Exit::Success)
}

fn aftermath() -> Section {
    Section::new(Topic::Aftermath, "What tracing leaves behind", Vec::new()).note(AFTERMATH)
}
