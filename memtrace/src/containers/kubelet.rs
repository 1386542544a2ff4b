//! Pods and containers of Kubernetes, by the names of kubelet's logs: the same whatever runs the containers,
//! and there also where a runtime's state is elsewhere or says nothing of pods.

use super::{Catalogue, Known, KnownPod, MOST_CONTAINERS, is_id};
use crate::selection::PodRef;
use std::fs::{self, DirEntry};
use std::path::Path;

/// Where the logs of pods are, a directory each (`pkg/kubelet/kuberuntime/helpers.go`,
/// `BuildPodLogsDirectory`). Kubelet can be told another place (`podLogsDir`, since 1.29), which is not
/// looked for.
const PODS: &str = "var/log/pods";
/// Links to the logs of containers (`pkg/kubelet/kuberuntime/legacy.go`, `logSymlink`).
const CONTAINERS: &str = "var/log/containers";
/// Longest uid that is believed; a UUID has 36 characters.
const LONGEST_UID: usize = 64;

/// Adds all that kubelet has logs of.
pub(super) fn read(root: &Path, catalogue: &mut Catalogue) {
    let folder = root.join(PODS);
    let found = names_in(&folder, is_directory, pod);
    catalogue.note_pods(folder, found);
    let folder = root.join(CONTAINERS);
    let found = names_in(&folder, |_| true, container);
    catalogue.note(folder, found);
}

/// What the names of a directory's entries say.
fn names_in<T>(
    folder: &Path,
    is_meant: fn(&DirEntry) -> bool,
    read: fn(&str) -> Option<T>,
) -> Result<Vec<T>, String> {
    let entries = fs::read_dir(folder).map_err(|error| error.to_string())?;
    let names = entries.flatten().filter(is_meant).map(|entry| entry.file_name());
    Ok(names.filter_map(|name| read(name.to_str()?)).take(MOST_CONTAINERS).collect())
}

fn is_directory(entry: &DirEntry) -> bool {
    entry.file_type().is_ok_and(|kind| kind.is_dir())
}

/// Reads `NAMESPACE_NAME_UID`. No name of Kubernetes has an underscore in it. The uid of a static pod is a
/// hash of its manifest, here as in the names of control groups (`pkg/kubelet/config/common.go`,
/// `applyDefaults`); what the API server calls that pod's uid is in neither.
fn pod(entry: &str) -> Option<KnownPod> {
    let mut parts = entry.splitn(3, '_');
    let (namespace, name) = (parts.next()?, parts.next()?);
    let uid = parts.next()?;
    let is_uid = !uid.is_empty()
        && uid.len() <= LONGEST_UID
        && uid.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    let pod = pod_name(namespace, name)?;
    is_uid.then(|| KnownPod { pod, uid: uid.to_ascii_lowercase() })
}

/// Reads `POD_NAMESPACE_CONTAINER-ID.log`. Of names that are too long the end is missing, and with it the id.
fn container(entry: &str) -> Option<Known> {
    let (name, id) = entry.strip_suffix(".log")?.rsplit_once('-')?;
    let mut parts = name.splitn(3, '_');
    let (pod, namespace, container) = (parts.next()?, parts.next()?, parts.next()?);
    let pod = Some(pod_name(namespace, pod)?);
    (is_id(id) && is_name(container)).then(|| Known {
        id: id.to_ascii_lowercase(),
        names: vec![container.to_owned()],
        pod,
        pod_uid: None,
    })
}

/// Containers of pods are called as hosts are.
fn is_name(container: &str) -> bool {
    !container.is_empty()
        && container.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

/// Namespace and name, if a pod can be called so.
fn pod_name(namespace: &str, name: &str) -> Option<(String, String)> {
    let PodRef { namespace, name, .. } = PodRef::read(&format!("{namespace}/{name}"))?;
    Some((namespace, name))
}
