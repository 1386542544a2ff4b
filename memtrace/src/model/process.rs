//! What is known of a process from outside.

use super::ids::{Nanos, ProcessKey};
use super::path_bytes;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// Who a process is. Unknown values are `None`, never invented.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessInfo {
    /// Its identity.
    pub key: ProcessKey,
    /// `/proc/PID/comm`.
    pub comm: String,
    /// `/proc/PID/exe`.
    #[serde(with = "path_bytes::optional")]
    pub exe: Option<PathBuf>,
    /// Arguments; read only when the user asked, as they may hold secrets.
    pub cmdline: Option<Vec<String>>,
    /// Real user id.
    pub uid: Option<u32>,
    /// cgroup path (v2, else the v1 memory controller's).
    pub cgroup: Option<String>,
    /// The container that the cgroup belongs to: its id, or its name where the runtime has no ids.
    pub container: Option<String>,
    /// Uid of the Kubernetes pod that the cgroup belongs to.
    pub pod_uid: Option<String>,
    /// Namespace and name of that pod, `NAMESPACE/NAME`, where they are to be found.
    pub pod: Option<String>,
    /// Memory limit of the cgroup or of the nearest ancestor that has one, bytes.
    pub cgroup_limit: Option<u64>,
    /// When the process started, on the clock of [`Nanos`] (boot-time ticks, shifted).
    pub started: Option<Nanos>,
    /// The allocators that were found and probed, for people ("glibc 2.36").
    pub allocators: Vec<String>,
}

/// Memory and CPU of a process at one moment, from `/proc`. Bytes and nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Resident set.
    pub resident: u64,
    /// … of it anonymous.
    pub resident_anonymous: u64,
    /// … of it file pages (shared memory included).
    pub resident_file: u64,
    /// Swapped out.
    pub swap: u64,
    /// Address space that is locked into memory (`mlock`).
    #[serde(default)]
    pub locked: u64,
    /// Memory that drivers have pinned, of those that count it.
    #[serde(default)]
    pub pinned: u64,
    /// Memory charged to the cgroup, where it is known.
    pub cgroup: Option<u64>,
    /// Times the kernel killed for memory in the cgroup, where it is known.
    pub oom_kills: Option<u64>,
    /// User and system CPU time used by all threads so far, ns.
    pub cpu: Nanos,
}
