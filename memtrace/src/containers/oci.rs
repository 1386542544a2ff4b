//! Containers that containerd runs, by the specification that it hands to the runtime below it.

use super::{Catalogue, Known, Labels, ids_in, json, pod_of};
use serde::Deserialize;
use std::path::Path;

/// Where containerd keeps what runs now: by itself, and in k3s.
const STATES: [&str; 2] = ["run/containerd", "run/k3s/containerd"];
/// Its namespaces: Kubernetes', and nerdctl's. (Docker's, `moby`, holds no names.)
const NAMESPACES: [&str; 2] = ["k8s.io", "default"];

#[derive(Deserialize)]
struct Spec {
    annotations: Option<Labels>,
}

/// Adds all that containerd knows.
pub(super) fn read(root: &Path, catalogue: &mut Catalogue) {
    for (state, namespace) in STATES.iter().flat_map(|state| NAMESPACES.map(|it| (state, it))) {
        let folder = root.join(state).join("io.containerd.runtime.v2.task").join(namespace);
        let found = ids_in(&folder).map(|ids| {
            let annotations = |id: &String| annotations(&folder.join(id).join("config.json")).ok();
            ids.iter().filter_map(|id| Some(known(id, &annotations(id)?))).collect()
        });
        catalogue.note(folder, found);
    }
}

/// The annotations of an OCI runtime specification (`config.md`, "Annotations").
pub(super) fn annotations(path: &Path) -> Result<Labels, String> {
    json::<Spec>(path).map(|spec| spec.annotations.unwrap_or_default())
}

/// What annotations say of a container. A container of a pod is called as in the pod; there may be
/// many of that name.
pub(super) fn known(id: &str, annotations: &Labels) -> Known {
    let (pod, pod_uid) = pod_of(annotations);
    let keys = ["io.kubernetes.cri.container-name", "io.kubernetes.container.name", "nerdctl/name"];
    let names = keys.iter().filter_map(|key| annotations.get(*key)).cloned().collect();
    Known { id: id.to_owned(), names, pod, pod_uid }
}
