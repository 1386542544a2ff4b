//! Who is to be traced, as typed.

use super::super::{help, values};
use clap::Args;
use std::path::PathBuf;

/// Selectors of processes. Those of different kinds are combined by *and*, several of one by *or*.
#[derive(Debug, Default, Args)]
pub struct SelectArgs {
    /// Processes to trace (repeatable, or a list: 12,34)
    ///
    /// A thread's number stands for its process.
    #[arg(
        short,
        long = "pid",
        value_name = "PID",
        value_delimiter = ',',
        value_parser = values::pid,
        allow_negative_numbers = true,
        help_heading = help::TARGET
    )]
    pub pids: Vec<u32>,
    /// Every process, but for memtrace itself and what cannot be traced
    ///
    /// With this and the other searches, processes that come to match while memtrace runs are traced as well,
    /// from a moment after that on; the run ends by Ctrl-C, --duration or --count.
    #[arg(long, help_heading = help::TARGET)]
    pub all: bool,
    /// Processes with this name, or one like it: 'nginx*', 'work?r', '{redis,valkey}-*'
    ///
    /// The name is the one that `ps -o comm` shows: 15 bytes of the main thread's name. The whole of it
    /// must match. Selectors of different kinds must all match; of several of one kind, any.
    #[arg(long = "comm", value_name = "PATTERN", help_heading = help::TARGET)]
    pub comms: Vec<String>,
    /// Processes that run this program, by any of its names; or one like '/usr/**/python3*'
    ///
    /// A file that exists is compared as a file, so hard links are the same and a container's file of
    /// the same name is another; else, and for patterns, the path is compared that the process sees.
    #[arg(long = "exe", value_name = "PATH", help_heading = help::TARGET)]
    pub exes: Vec<PathBuf>,
    /// Processes that this user started, by name or number (the real user id)
    #[arg(long = "uid", value_name = "USER", help_heading = help::TARGET)]
    pub users: Vec<String>,
    /// Processes in this control group or below: a directory, or a path as /proc/PID/cgroup has it
    ///
    /// Of version 2 the kernel side lets members in as they execute. Of version 1 memtrace does, a moment later: what
    /// ends within milliseconds may be missed.
    #[arg(long = "cgroup", value_name = "PATH", help_heading = help::TARGET)]
    pub cgroups: Vec<PathBuf>,
    /// Processes of this container: the beginning of its id, or its name where that can be found
    ///
    /// Ids are found in the names of control groups, at least 4 digits of them; names in the files of
    /// Docker, Podman, CRI-O and containerd, where they are at their usual places.
    #[arg(long = "container", value_name = "ID", help_heading = help::TARGET)]
    pub containers: Vec<String>,
    /// Processes of this Kubernetes pod
    ///
    /// Its name is found in the files of the container runtime, or in the names of kubelet's logs.
    #[arg(long = "pod", value_name = "NAMESPACE/NAME", help_heading = help::TARGET)]
    pub pods: Vec<String>,
    /// Leave out processes with this name, or one like it
    #[arg(long = "exclude-comm", value_name = "PATTERN", help_heading = help::TARGET)]
    pub exclude_comms: Vec<String>,
    /// Leave out these processes
    #[arg(
        long = "exclude-pid",
        value_name = "PID",
        value_delimiter = ',',
        value_parser = values::pid,
        allow_negative_numbers = true,
        help_heading = help::TARGET
    )]
    pub exclude_pids: Vec<u32>,
    /// Trace children, too [the default]
    #[arg(long, overrides_with = "no_follow", hide_short_help = true, help_heading = help::TARGET)]
    pub follow: bool,
    /// Do not trace children
    #[arg(long, overrides_with = "follow", hide_short_help = true, help_heading = help::TARGET)]
    pub no_follow: bool,
    /// Wait until a process matches, if none does yet
    #[arg(long, help_heading = help::TARGET)]
    pub wait: bool,
}
