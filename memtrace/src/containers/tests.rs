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

/// An entry of kubelet's logs, such as each runtime leaves to it.
#[test]
fn kubelet_tells_pods_by_the_names_of_their_logs() {
    let root = tempfile::tempdir().unwrap();
    let uid = "b2b4d0e5-4e0a-4d4e-9c0b-3f0a1f6e7d21";
    let hash = "33d556edd3ae8ef21980288cef77ae8b";
    for entry in [
        format!("shop_front-7d9c_{uid}"),
        // A static pod, and the pod that it was before it was made anew.
        format!("kube-system_etcd-node.example.org_{hash}"),
        format!("kube-system_etcd-node.example.org_{}", hash.replace('3', "4")),
    ] {
        write(root.path(), &format!("var/log/pods/{entry}/app/0.log"), "");
    }
    let catalogue = Catalogue::below(root.path());
    assert_eq!(catalogue.pod("shop", "front-7d9c"), (vec![uid.to_owned()], vec![]));
    let (uids, _) = catalogue.pod("kube-system", "etcd-node.example.org");
    assert_eq!(uids, [hash.to_owned(), hash.replace('3', "4")]);
    let pod = ("shop".to_owned(), "front-7d9c".to_owned());
    assert_eq!(catalogue.pod_of(Some(uid), None), Some(&pod));
    assert_eq!(catalogue.pod_of(Some("another"), Some("container")), None);
    assert_eq!(catalogue.pod_of(None, None), None);
    assert!(catalogue.describe_tried().contains("var/log/pods (3 found)"));
}

#[test]
fn kubelet_tells_containers_by_the_names_of_their_logs() {
    let root = tempfile::tempdir().unwrap();
    write(root.path(), &format!("var/log/containers/front-7d9c_shop_side-car-{}.log", id('a')), "");
    let catalogue = Catalogue::below(root.path());
    assert_eq!(catalogue.ids_of("side-car"), [id('a')]);
    assert_eq!(catalogue.pod("shop", "front-7d9c"), (vec![], vec![id('a')]));
    let pod = ("shop".to_owned(), "front-7d9c".to_owned());
    assert_eq!(catalogue.pod_of(Some("unknown"), Some(&id('a'))), Some(&pod));
}

#[test]
fn names_that_kubelet_does_not_give_are_left_out() {
    let root = tempfile::tempdir().unwrap();
    let long = "u".repeat(65);
    for entry in [
        "shop_front",
        "shop_front_",
        "_front_u",
        "shop__u",
        "shop_fr\u{1b}[31mont_u",
        "shop_front_u_v",
        "shop_front_\u{e9}",
        &format!("shop_front_{long}"),
    ] {
        fs::create_dir_all(root.path().join("var/log/pods").join(entry)).unwrap();
    }
    // No directory, though something may be behind it.
    write(root.path(), "var/log/pods/shop_file_u", "");
    std::os::unix::fs::symlink("/", root.path().join("var/log/pods/shop_link_u")).unwrap();
    let digits = id('a');
    for entry in [
        format!("front_shop_app-{digits}"),
        format!("front_shop_app-{}.log", &digits[..63]),
        format!("front_shop-{digits}.log"),
        format!("front_shop_app{digits}.log"),
        format!("fr ont_shop_app-{digits}.log"),
        format!("front_shop_-{digits}.log"),
    ] {
        write(root.path(), &format!("var/log/containers/{entry}"), "");
    }
    let catalogue = Catalogue::below(root.path());
    assert_eq!((catalogue.known, catalogue.pods), (vec![], vec![]));
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
