//! Where processes belong: container, pod, control group.

use super::model::ProcessReport;

/// Characters of a container's id that people see, as runtimes print it.
const SHORT: usize = 12;
/// Characters of a whole id; names are never as long as that.
const WHOLE: usize = 64;

/// `container 0123456789ab of pod shop/cart`, as far as it is known; `None` outside of both.
pub(crate) fn workload(
    container: Option<&str>,
    pod: Option<&str>,
    pod_uid: Option<&str>,
) -> Option<String> {
    let short = |id| Some(id).filter(|id: &&str| id.len() == WHOLE)?.get(..SHORT);
    let container = container.map(|id| format!("container {}", short(id).unwrap_or(id)));
    // People know pods by name.
    let pod = pod.or(pod_uid).map(|pod| format!("pod {pod}"));
    let named: Vec<String> = container.into_iter().chain(pod).collect();
    (!named.is_empty()).then(|| named.join(" of "))
}

/// The same of a process.
pub(crate) fn workload_of(process: &ProcessReport) -> Option<String> {
    workload(process.container.as_deref(), process.pod.as_deref(), process.pod_uid.as_deref())
}

/// The same, or else its control group.
pub(crate) fn place_of(process: &ProcessReport) -> Option<String> {
    let cgroup = || process.cgroup.as_deref().filter(|path| *path != "/");
    workload_of(process).or_else(|| cgroup().map(|path| format!("cgroup {path}")))
}

/// What a process is called where there are several: `app (1234)`, `app (1234, container 0123456789ab)`.
pub(crate) fn name_of(process: &ProcessReport) -> String {
    let workload = workload_of(process).map_or_else(String::new, |it| format!(", {it}"));
    format!("{} ({}{workload})", process.comm, process.pid)
}

#[cfg(test)]
mod tests {
    use super::{ProcessReport, name_of, place_of};

    #[test]
    fn the_nearest_is_named() {
        let text = |text: &str| Some(text.to_owned());
        let mut process =
            ProcessReport { pid: 7, comm: "app".to_owned(), ..ProcessReport::default() };
        assert_eq!((place_of(&process), name_of(&process)), (None, "app (7)".to_owned()));
        process.cgroup = text("/");
        assert_eq!(place_of(&process), None);
        process.cgroup = text("/a.slice");
        assert_eq!(place_of(&process), text("cgroup /a.slice"));
        assert_eq!(name_of(&process), "app (7)");
        process.pod_uid = text("12-34");
        assert_eq!(place_of(&process), text("pod 12-34"));
        process.pod = text("shop/cart");
        process.container = Some("0123456789abcdef".repeat(4));
        assert_eq!(place_of(&process), text("container 0123456789ab of pod shop/cart"));
        assert_eq!(name_of(&process), "app (7, container 0123456789ab of pod shop/cart)");
        process.container = text("web");
        assert_eq!(name_of(&process), "app (7, container web of pod shop/cart)");
    }
}
