//! State files of every runtime, made up as each writes them.

use super::Catalogue;
use std::fs;
use std::path::Path;

fn id(digit: char) -> String {
    digit.to_string().repeat(64)
}

fn write(root: &Path, path: &str, text: &str) {
    let path = root.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

#[test]
fn docker_tells_names_and_pods() {
    let root = tempfile::tempdir().unwrap();
    let file = |digit| format!("var/lib/docker/containers/{}/config.v2.json", id(digit));
    write(root.path(), &file('a'), r#"{"ID":"x","Name":"/web","Config":{"Labels":{}},"State":{}}"#);
    write(
        root.path(),
        &file('b'),
        r#"{"Name":"/k8s_app","Config":{"Labels":{"io.kubernetes.pod.name":"front",
            "io.kubernetes.pod.namespace":"shop","io.kubernetes.pod.uid":"u-1"}}}"#,
    );
    write(root.path(), &file('c'), "{");
    write(root.path(), "var/lib/docker/containers/nonsense/config.v2.json", "{}");
    let catalogue = Catalogue::below(root.path());
    assert_eq!(catalogue.ids_of("web"), [id('a')]);
    assert_eq!(catalogue.pod("shop", "front"), (vec!["u-1".to_owned()], vec![id('b')]));
    assert_eq!(catalogue.pod("shop", "web"), (vec![], vec![]));
    assert_eq!(catalogue.known.len(), 2);
}

#[test]
fn podman_and_crio_share_a_store() {
    let root = tempfile::tempdir().unwrap();
    let store = "var/lib/containers/storage/overlay-containers";
    write(
        root.path(),
        &format!("{store}/containers.json"),
        &format!(
            r#"[{{"id":"{}","names":["db"],"image":"x","metadata":"{{\"image-name\":\"y\"}}"}},
                {{"id":"{}","names":["k8s_app_front"],"metadata":"no json"}}]"#,
            id('a'),
            id('b')
        ),
    );
    write(
        root.path(),
        &format!("{store}/volatile-containers.json"),
        &format!(r#"[{{"id":"{}","names":["brief"]}}]"#, id('c')),
    );
    write(
        root.path(),
        &format!("{store}/{}/userdata/config.json", id('b')),
        r#"{"ociVersion":"1.0.2","annotations":{"io.kubernetes.pod.name":"front",
            "io.kubernetes.pod.namespace":"shop","io.kubernetes.pod.uid":"u-2",
            "io.kubernetes.container.name":"app"}}"#,
    );
    let catalogue = Catalogue::below(root.path());
    assert_eq!(catalogue.ids_of("db"), [id('a')]);
    assert_eq!(catalogue.ids_of("app"), [id('b')]);
    assert_eq!(catalogue.ids_of("brief"), [id('c')]);
    assert_eq!(catalogue.pod("shop", "front"), (vec!["u-2".to_owned()], vec![id('b')]));
}

#[test]
fn containerd_tells_by_annotations() {
    let root = tempfile::tempdir().unwrap();
    for (digit, state) in [('a', "run/containerd"), ('b', "run/k3s/containerd")] {
        let folder = format!("{state}/io.containerd.runtime.v2.task/k8s.io/{}", id(digit));
        write(
            root.path(),
            &format!("{folder}/config.json"),
            r#"{"annotations":{"io.kubernetes.cri.sandbox-name":"front",
                "io.kubernetes.cri.sandbox-namespace":"shop","io.kubernetes.cri.sandbox-uid":"u-3",
                "io.kubernetes.cri.container-name":"app"}}"#,
        );
    }
    let catalogue = Catalogue::below(root.path());
    assert_eq!(catalogue.ids_of("app"), [id('a'), id('b')]);
    assert_eq!(catalogue.pod("shop", "front"), (vec!["u-3".to_owned()], vec![id('a'), id('b')]));
}

#[test]
fn what_was_tried_is_told() {
    let root = tempfile::tempdir().unwrap();
    write(root.path(), "var/lib/containers/storage/overlay-containers/containers.json", "[7]");
    let told = Catalogue::below(root.path()).describe_tried();
    assert!(told.contains("docker/containers (No such file"), "{told}");
    assert!(told.contains("containers.json (not as expected"), "{told}");
    assert!(told.contains("k8s.io (No such file"), "{told}");
}
