//! Containers of Podman and CRI-O, in the store that both use.

use super::{Catalogue, Known, Labels, MOST_CONTAINERS, is_id, json, oci};
use serde::Deserialize;
use std::path::Path;

#[derive(Deserialize)]
struct Entry {
    id: String,
    #[serde(default)]
    names: Vec<String>,
}

/// Adds all that the store of root's containers knows. (Stores of other users are in their homes.)
pub(super) fn read(root: &Path, catalogue: &mut Catalogue) {
    let folder = root.join("var/lib/containers/storage/overlay-containers");
    // `podman run --rm` makes volatile ones.
    for file in ["containers.json", "volatile-containers.json"] {
        let path = folder.join(file);
        let found = json::<Vec<Entry>>(&path).map(|entries| {
            let named = entries.into_iter().filter(|entry| is_id(&entry.id));
            named.take(MOST_CONTAINERS).map(|entry| known(&folder, entry)).collect()
        });
        catalogue.note(path, found);
    }
}

fn known(folder: &Path, entry: Entry) -> Known {
    let annotations: Labels =
        oci::annotations(&folder.join(&entry.id).join("userdata/config.json")).unwrap_or_default();
    let mut known = oci::known(&entry.id, &annotations);
    known.names.extend(entry.names);
    known
}
