//! Containers and pods in the names of control groups. Every runtime has its own habits, and none needs
//! to be asked: sources are beside each.

use crate::selection::{Container, Membership, Runtime};

/// What a runtime puts before a container's id where systemd makes the groups (`PREFIX-ID.scope`), and
/// what it is. The monitors that Podman and CRI-O run beside a container (`libpod-conmon-ID.scope`) fail
/// the test of the id.
const SCOPES: [(&str, Runtime); 5] = [
    ("docker-", Runtime::Docker),
    ("cri-containerd-", Runtime::Containerd),
    ("crio-", Runtime::Crio),
    ("libpod-", Runtime::Podman),
    ("nerdctl-", Runtime::Containerd),
];

/// The container that these groups belong to: the innermost, in the group that names one.
pub(in crate::procfs) fn container(places: &[Membership]) -> Option<Container> {
    places.iter().find_map(|place| {
        let mut parts = Vec::new();
        parts.extend(place.path.split('/').filter(|part| !part.is_empty()));
        (0..parts.len()).rev().find_map(|at| {
            let parent = at.checked_sub(1).and_then(|at| parts.get(at)).copied();
            of_part(parts.get(at)?, parent.unwrap_or_default())
        })
    })
}

/// Uid of the pod that these groups belong to. Kubelet makes `…/podUID/…`, or with systemd
/// `kubepods-burstable-podUID.slice`, where dashes of the uid have become underscores
/// (`pkg/kubelet/cm/pod_container_manager_linux.go`).
pub(in crate::procfs) fn pod_uid(places: &[Membership]) -> Option<String> {
    let kubepods = places.iter().filter(|place| place.path.contains("kubepods"));
    kubepods.flat_map(|place| place.path.split('/').rev()).find_map(|part| {
        let part = part.split(':').next().unwrap_or(part);
        let part = part.strip_suffix(".slice").unwrap_or(part);
        let uid = match part.strip_prefix("pod") {
            Some(uid) => uid,
            None => part.rsplit_once("-pod")?.1,
        };
        let uid = uid.replace('_', "-").to_ascii_lowercase();
        is_uid(&uid).then_some(uid)
    })
}

/// A UUID, or the hash that static pods have instead.
fn is_uid(text: &str) -> bool {
    let digits = text.bytes().filter(u8::is_ascii_hexdigit).count();
    digits == 32 && (text.len() == 32 || (text.len() == 36 && text.matches('-').count() == 4))
}

fn of_part(part: &str, parent: &str) -> Option<Container> {
    let name = part.strip_suffix(".scope").unwrap_or(part);
    // containerd with systemd's names but without systemd: `kubepods-….slice:cri-containerd:ID`.
    if let Some((_, id)) = name.split_once(":cri-containerd:") {
        return with_id(Runtime::Containerd, id);
    }
    let of_scope =
        |(prefix, runtime): &(&str, Runtime)| with_id(*runtime, name.strip_prefix(prefix)?);
    if let Some(container) = SCOPES.iter().find_map(of_scope) {
        return Some(container);
    }
    let bare = match parent {
        "docker" => Runtime::Docker,
        "libpod_parent" => Runtime::Podman,
        _ => Runtime::Unknown,
    };
    with_id(bare, name).or_else(|| with_name(part, parent))
}

/// A container whose id is 64 hexadecimal digits, as those of all runtimes with ids are.
fn with_id(runtime: Runtime, id: &str) -> Option<Container> {
    let is_id = id.len() == 64 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_id.then(|| Container { runtime, id: id.to_ascii_lowercase() })
}

/// LXC: `lxc/NAME` or `lxc.payload.NAME`, and `lxc.monitor.NAME` for its monitor (`lxc.container.conf(5)`,
/// "lxc.cgroup.dir.container"). systemd: `machine.slice/machine-NAME.scope` and
/// `systemd-nspawn@NAME.service`, the name escaped (`systemd-nspawn(1)`, `--register`, `--keep-unit`).
fn with_name(part: &str, parent: &str) -> Option<Container> {
    let lxc = match parent {
        "lxc" | "lxc.payload" => Some(part),
        _ => part.strip_prefix("lxc.payload."),
    };
    let machine = || {
        let scope = part.strip_prefix("machine-").and_then(|name| name.strip_suffix(".scope"));
        let service = || part.strip_prefix("systemd-nspawn@")?.strip_suffix(".service");
        scope.or_else(service).map(unescape)
    };
    let container = lxc.map(|name| Container { runtime: Runtime::Lxc, id: name.to_owned() });
    let container =
        container.or_else(|| machine().map(|id| Container { runtime: Runtime::Machine, id }))?;
    (!container.id.is_empty()).then_some(container)
}

/// Takes back the `\x2d` of systemd's unit names (`systemd.unit(5)`, "String escaping").
fn unescape(name: &str) -> String {
    let mut plain = Vec::with_capacity(name.len());
    let mut rest = name.as_bytes();
    while let [first, after @ ..] = rest {
        let digits =
            after.strip_prefix(b"x").filter(|_| *first == b'\\').and_then(|it| it.get(..2));
        let digits = digits.and_then(|digits| std::str::from_utf8(digits).ok());
        match digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(code) => {
                plain.push(code);
                rest = rest.get(4..).unwrap_or_default();
            }
            None => {
                plain.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&plain).into_owned()
}

#[cfg(test)]
mod tests {
    use super::super::mounts::memberships;
    use super::{Container, Runtime, container, pod_uid};

    const ID: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    const UID: &str = "b2b4d0e5-4e0a-4d4e-9c0b-3f0a1f6e7d21";

    fn found(path: &str) -> Option<(Runtime, String)> {
        let path =
            path.replace("ID", ID).replace("U_I_D", &UID.replace('-', "_")).replace("UID", UID);
        let found = container(&memberships(&format!("0::{path}\n")))?;
        let Container { runtime, id } = found;
        Some((runtime, if id == ID { "ID".to_owned() } else { id }))
    }

    #[test]
    fn every_runtime_is_known_by_its_groups() {
        for (path, runtime) in [
            ("/system.slice/docker-ID.scope", Runtime::Docker),
            ("/system.slice/docker-ID.scope/init.scope", Runtime::Docker),
            ("/docker/ID", Runtime::Docker),
            ("/docker/ID/system.slice/cron.service", Runtime::Docker),
            (
                "/kubepods.slice/kubepods-podU_I_D.slice/cri-containerd-ID.scope",
                Runtime::Containerd,
            ),
            (
                "/system.slice/containerd.service/kubepods-burstable-podU_I_D.slice:cri-containerd:ID",
                Runtime::Containerd,
            ),
            ("/kubepods/besteffort/podUID/ID", Runtime::Unknown),
            ("/kubepods.slice/kubepods-podU_I_D.slice/crio-ID.scope", Runtime::Crio),
            ("/kubepods.slice/kubepods-podU_I_D.slice/crio-ID", Runtime::Crio),
            ("/machine.slice/libpod-ID.scope", Runtime::Podman),
            (
                "/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-ID.scope/container",
                Runtime::Podman,
            ),
            ("/libpod_parent/libpod-ID", Runtime::Podman),
            ("/system.slice/nerdctl-ID.scope", Runtime::Containerd),
            ("/ecs/task/ID", Runtime::Unknown),
        ] {
            assert_eq!(found(path), Some((runtime, "ID".to_owned())), "{path}");
        }
    }

    #[test]
    fn some_containers_have_names() {
        for (path, runtime, name) in [
            ("/lxc/web-1", Runtime::Lxc, "web-1"),
            ("/lxc/web-1/init.scope", Runtime::Lxc, "web-1"),
            ("/lxc.payload.web-1/system.slice/x.service", Runtime::Lxc, "web-1"),
            ("/lxc.payload/web-1", Runtime::Lxc, "web-1"),
            ("/machine.slice/machine-deb\\x2d12.scope/payload", Runtime::Machine, "deb-12"),
            ("/machine.slice/systemd-nspawn@deb.service/payload", Runtime::Machine, "deb"),
        ] {
            assert_eq!(found(path), Some((runtime, name.to_owned())), "{path}");
        }
    }

    #[test]
    fn the_innermost_container_counts() {
        let outer = "f".repeat(64);
        assert_eq!(
            found(&format!("/docker/{outer}/docker/ID")),
            Some((Runtime::Docker, "ID".into()))
        );
    }

    #[test]
    fn what_is_no_container_is_none() {
        for path in [
            "/",
            "/system.slice/docker.service",
            "/machine.slice/libpod-conmon-ID.scope",
            "/system.slice/crio-conmon-ID.scope",
            "/docker/0123",
            "/lxc.monitor.web",
            "/lxc.payload.",
            "/user.slice/docker-x.scope",
            "/machine.slice/machine-.scope",
        ] {
            assert_eq!(found(path), None, "{path}");
        }
    }

    #[test]
    fn pods_are_known_by_uid() {
        let uid = |path: &str| {
            let path = path.replace("U_I_D", &UID.replace('-', "_")).replace("UID", UID);
            pod_uid(&memberships(&format!("1:name=systemd:/\n0::{path}\n")))
        };
        for path in [
            "/kubepods/besteffort/podUID/x",
            "/kubepods/podUID",
            "/kubepods.slice/kubepods-podU_I_D.slice/crio-x.scope",
            "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-podU_I_D.slice/x.scope",
            "/system.slice/containerd.service/kubepods-besteffort-podU_I_D.slice:cri-containerd:x",
        ] {
            assert_eq!(uid(path).as_deref(), Some(UID), "{path}");
        }
        let hash = "0123456789abcdef0123456789abcdef";
        assert_eq!(uid(&format!("/kubepods/burstable/pod{hash}/x")).as_deref(), Some(hash));
        for path in ["/kubepods.slice", "/podUID", "/kubepods/podium", "/kubepods/pod-----/x", "/"]
        {
            assert_eq!(uid(path), None, "{path}");
        }
    }
}
