//! Floor 3: names of containers and pods, from the state files of container runtimes. Control groups hold
//! only ids; the names are known to those who made them, and nobody is asked: only files are read, where
//! we may, and their absence is no failure.
//!
//! Which files, and since when they have looked like that:
//!
//! | runtime | file | what is read |
//! |---|---|---|
//! | Docker | `/var/lib/docker/containers/ID/config.v2.json` (since 1.10) | `Name`, `Config.Labels` |
//! | Podman, CRI-O | `overlay-containers/containers.json`, `volatile-containers.json` below `/var/lib/containers/storage` (containers/storage) | `id`, `names` |
//! | CRI-O | `overlay-containers/ID/userdata/config.json` there | `annotations` of the OCI runtime specification |
//! | kubelet | names in `/var/log/pods` (since 1.14) and `/var/log/containers` | namespaces, pods, uids, ids |
//! | containerd | `io.containerd.runtime.v2.task/NAMESPACE/ID/config.json` below `/run/containerd` or `/run/k3s/containerd` | the same |

mod docker;
mod kubelet;
mod oci;
mod storage;

use crate::lookup::{by_name, own_path};
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};

/// Most bytes of a state file that are read; the largest ones list all containers of a machine.
const MOST_BYTES: u64 = 16 << 20;
/// Most containers of a runtime that are looked at.
const MOST_CONTAINERS: usize = 16_384;

/// What a runtime's state says of a container.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Known {
    /// Its id.
    pub id: String,
    /// Its names.
    pub names: Vec<String>,
    /// Namespace and name of the pod that it belongs to.
    pub pod: Option<(String, String)>,
    /// Uid of that pod.
    pub pod_uid: Option<String>,
}

/// What kubelet's files say of a pod, whose containers they need not name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownPod {
    /// Its namespace and name.
    pub pod: (String, String),
    /// Its uid, in lower case.
    pub uid: String,
}

/// All that the runtimes' state says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Catalogue {
    /// Containers, in no order; one may be known from several places.
    pub known: Vec<Known>,
    /// Pods that are known without a container.
    pub pods: Vec<KnownPod>,
    /// Places that were looked at: which, and what came of it.
    pub tried: Vec<Tried>,
}

/// A place that was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tried {
    /// Directory or file.
    pub path: PathBuf,
    /// How many containers or pods it told of, or why none.
    pub outcome: Result<usize, String>,
}

impl Catalogue {
    /// Reads the state of the runtimes of this machine.
    #[must_use]
    pub fn read() -> Self {
        Self::below(Path::new("/"))
    }

    /// Reads the state of the runtimes whose root directory this is.
    #[must_use]
    pub fn below(root: &Path) -> Self {
        let mut catalogue = Self::default();
        docker::read(root, &mut catalogue);
        storage::read(root, &mut catalogue);
        oci::read(root, &mut catalogue);
        kubelet::read(root, &mut catalogue);
        catalogue
    }

    /// Ids of containers with this name.
    #[must_use]
    pub fn ids_of(&self, name: &str) -> Vec<String> {
        let called = self.known.iter().filter(|it| it.names.iter().any(|known| known == name));
        sorted(called.map(|it| it.id.clone()).collect())
    }

    /// A name of this container, if it has one.
    #[must_use]
    pub fn name_of(&self, id: &str) -> Option<&str> {
        let known = self.known.iter().filter(|it| it.id == id);
        known.flat_map(|it| &it.names).map(String::as_str).find(|name| !name.is_empty())
    }

    /// Uids of a pod, and ids of its containers.
    #[must_use]
    pub fn pod(&self, namespace: &str, name: &str) -> (Vec<String>, Vec<String>) {
        let is_meant = |(space, pod): &(String, String)| space == namespace && pod == name;
        let members = || self.known.iter().filter(|it| it.pod.as_ref().is_some_and(is_meant));
        let pods = self.pods.iter().filter(|it| is_meant(&it.pod)).map(|it| it.uid.clone());
        let uids = members().filter_map(|it| it.pod_uid.clone()).chain(pods).collect();
        (sorted(uids), sorted(members().map(|it| it.id.clone()).collect()))
    }

    /// Namespace and name of the pod with this uid, or of this container.
    #[must_use]
    pub fn pod_of(&self, uid: Option<&str>, container: Option<&str>) -> Option<&(String, String)> {
        let of_uid = self.pods.iter().find(|it| Some(it.uid.as_str()) == uid).map(|it| &it.pod);
        let is_meant = |it: &&Known| {
            uid.is_some() && it.pod_uid.as_deref() == uid || Some(it.id.as_str()) == container
        };
        of_uid.or_else(|| self.known.iter().filter(is_meant).find_map(|it| it.pod.as_ref()))
    }

    /// What was tried, in one line.
    #[must_use]
    pub fn describe_tried(&self) -> String {
        let one = |tried: &Tried| match &tried.outcome {
            Ok(count) => format!("{} ({count} found)", tried.path.display()),
            Err(reason) => format!("{} ({reason})", tried.path.display()),
        };
        self.tried.iter().map(one).collect::<Vec<_>>().join(", ")
    }

    fn note(&mut self, path: PathBuf, outcome: Result<Vec<Known>, String>) {
        let outcome = outcome.map(|found| {
            let count = found.len();
            self.known.extend(found);
            count
        });
        self.tried.push(Tried { path, outcome });
    }

    fn note_pods(&mut self, path: PathBuf, outcome: Result<Vec<KnownPod>, String>) {
        let outcome = outcome.map(|found| {
            let count = found.len();
            self.pods.extend(found);
            count
        });
        self.tried.push(Tried { path, outcome });
    }
}

/// In order, each once.
fn sorted(mut words: Vec<String>) -> Vec<String> {
    words.sort_unstable();
    words.dedup();
    words
}

/// Labels or annotations, as each runtime spells them.
type Labels = BTreeMap<String, String>;

/// The pod that labels name. Kubelet's labels (`pkg/kubelet/types/labels.go`) are what Docker and CRI-O
/// keep; the others are containerd's annotations (`pkg/cri/annotations`).
fn pod_of(labels: &Labels) -> (Option<(String, String)>, Option<String>) {
    let any = |keys: [&str; 2]| keys.iter().find_map(|key| labels.get(*key)).cloned();
    let namespace = any(["io.kubernetes.pod.namespace", "io.kubernetes.cri.sandbox-namespace"]);
    let name = any(["io.kubernetes.pod.name", "io.kubernetes.cri.sandbox-name"]);
    let uid = any(["io.kubernetes.pod.uid", "io.kubernetes.cri.sandbox-uid"]);
    (namespace.zip(name), uid)
}

/// Reads a JSON file. Anything else of that name (a pipe, a device) is not opened.
fn json<T: DeserializeOwned>(path: &Path) -> Result<T, String> {
    let reason = |error: std::io::Error| error.to_string();
    let handle = by_name(path).map_err(reason)?;
    if !handle.metadata().map_err(reason)?.is_file() {
        return Err("not a file".to_owned());
    }
    let file = File::open(own_path(&handle)).map_err(reason)?;
    let mut bytes = Vec::new();
    file.take(MOST_BYTES).read_to_end(&mut bytes).map_err(reason)?;
    serde_json::from_slice(&bytes).map_err(|error| format!("not as expected: {error}"))
}

/// Names of the entries of a directory that look like ids.
fn ids_in(directory: &Path) -> Result<Vec<String>, String> {
    let entries = fs::read_dir(directory).map_err(|error| error.to_string())?;
    let names = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok());
    Ok(names.filter(|name| is_id(name)).take(MOST_CONTAINERS).collect())
}

fn is_id(name: &str) -> bool {
    name.len() == 64 && name.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests;
