//! What is seen of a process before its allocators: who it is, and what stands in the way.

use super::super::model::{Line, Section, State, Topic};
use super::trial::Trial;
use crate::daemon::inspect::{Inspection, filters_system_calls};
use crate::probe::runtime::detect;
use crate::procfs::Process;
use crate::report::units::{bytes, counted, duration};

/// All findings.
pub(super) fn section(process: &Process, inspection: &Inspection, trial: &Trial) -> Section {
    let mut lines = vec![identity(process, inspection), memory(inspection)];
    lines.push(main_thread(process));
    lines.push(system_calls(process, trial));
    lines.extend(closed_files(inspection));
    lines.extend(runtimes(inspection));
    Section::new(
        Topic::Process,
        format!("Process {} ({})", process.pid(), inspection.info.comm),
        lines,
    )
}

fn identity(process: &Process, inspection: &Inspection) -> Line {
    let info = &inspection.info;
    let mut parts = Vec::new();
    if let Some(thread) = process.named_thread() {
        parts.push(format!("thread {thread} belongs to pid {}", process.pid()));
    }
    parts.extend(info.exe.as_ref().map(|exe| exe.display().to_string()));
    parts.extend(info.uid.map(|uid| format!("uid {uid}")));
    parts.extend(inspection.up.map(|up| format!("up {}", duration(up))));
    parts.push(counted(process.threads().len() as u64, "thread"));
    parts.push(format!("CPU time {}", duration(inspection.usage.cpu)));
    Line::new("identity", State::Ok, parts.join(", "))
}

fn memory(inspection: &Inspection) -> Line {
    let usage = &inspection.usage;
    let limit = match (inspection.info.cgroup_limit, usage.cgroup) {
        (Some(limit), Some(now)) => format!("cgroup {} of {}", bytes(now), bytes(limit)),
        (Some(limit), None) => format!("cgroup limit {}", bytes(limit)),
        (None, _) => "no cgroup limit".to_owned(),
    };
    let (resident, swap) = (bytes(usage.resident), bytes(usage.swap));
    Line::new("memory", State::Ok, format!("resident {resident}, swap {swap}; {limit}"))
}

fn main_thread(process: &Process) -> Line {
    const NAME: &str = "main thread";
    if !process.leader_exited() {
        return Line::new(NAME, State::Ok, "runs: the kernel can confine probes to this process");
    }
    Line::new(
        NAME,
        State::Hazard,
        "has ended, so the kernel cannot confine probes to this process: while it is traced, every \
         process that uses the same library pays for the traps",
    )
    .remedy("trace it for a short time only (--duration 30s)")
}

fn system_calls(process: &Process, trial: &Trial) -> Line {
    const NAME: &str = "seccomp";
    if !filters_system_calls(process) {
        return Line::new(NAME, State::Ok, "does not filter its system calls");
    }
    match trial.return_probes_safe {
        Some(true) => Line::new(
            NAME,
            State::Ok,
            "filters its system calls, which is no hazard on this kernel",
        ),
        Some(false) => Line::new(
            NAME,
            State::Missing,
            "filters its system calls; on this kernel a return probe would kill it, so memtrace \
             refuses",
        )
        .remedy("run a kernel with the uretprobe exemption (6.14, or a stable update)"),
        None => Line::new(
            NAME,
            State::Unknown,
            "filters its system calls; whether that is a hazard could not be tried",
        )
        .remedy("see to what is missing above, then run doctor again"),
    }
}

fn closed_files(inspection: &Inspection) -> Option<Line> {
    let closed = inspection.closed;
    (closed > 0).then(|| {
        let files = counted(closed as u64, "file");
        let detail = format!("{files} with code cannot be opened, and cannot be probed or named");
        Line::new("mapped files", State::Hazard, detail)
            .remedy("run it with sudo, or give it CAP_CHECKPOINT_RESTORE and CAP_SYS_PTRACE")
    })
}

/// Memory that probes on `malloc` will not show.
fn runtimes(inspection: &Inspection) -> Vec<Line> {
    let found = detect(&inspection.files);
    if found.is_empty() {
        let detail = "none of those that manage memory past malloc (Python, Java, Go, Node.js, …)";
        return vec![Line::new("runtimes", State::Ok, detail)];
    }
    let line = |name: String, hidden: &str, remedy: &str| {
        Line::new(name, State::Hazard, format!("malloc does not show {hidden}")).remedy(remedy)
    };
    found.into_iter().map(|it| line(it.name, it.what_malloc_does_not_show, it.remedy)).collect()
}
