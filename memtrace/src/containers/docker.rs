//! Docker's containers.

use super::{Catalogue, Known, Labels, ids_in, json, pod_of};
use serde::Deserialize;
use std::path::Path;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct State {
    #[serde(default)]
    name: String,
    config: Option<Config>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Config {
    labels: Option<Labels>,
}

/// Adds all that Docker knows. Its data may be elsewhere (`data-root` of `daemon.json`), which is not
/// looked for.
pub(super) fn read(root: &Path, catalogue: &mut Catalogue) {
    let folder = root.join("var/lib/docker/containers");
    let found = ids_in(&folder).map(|ids| {
        let state = |id: &String| json::<State>(&folder.join(id).join("config.v2.json")).ok();
        ids.iter().filter_map(|id| Some(known(id, state(id)?))).collect()
    });
    catalogue.note(folder, found);
}

fn known(id: &str, state: State) -> Known {
    let labels = state.config.and_then(|config| config.labels).unwrap_or_default();
    let (pod, pod_uid) = pod_of(&labels);
    // Docker puts a slash before names, for links between containers that there are no more.
    let name = state.name.trim_start_matches('/').to_owned();
    Known { id: id.to_owned(), names: vec![name], pod, pod_uid }
}
