//! Names of the pods that processes belong to. Control groups hold only uids and ids, so the state files of
//! runtimes and kubelet are read once somebody belongs to a pod, and again when a pod is not among them.

use crate::containers::Catalogue;
use crate::model::process::ProcessInfo;
use std::time::{Duration, Instant};

/// Between two readings passes so many times as long as the last one took …
const REST: u32 = 100;
/// … and at least this long: a pod may be of a runtime whose files are elsewhere.
const LEAST_REST: Duration = Duration::from_secs(1);

/// What is known of pods.
pub(super) struct PodNames {
    read: fn() -> Catalogue,
    catalogue: Catalogue,
    next_reading: Option<Instant>,
}

impl Default for PodNames {
    fn default() -> Self {
        Self { read: Catalogue::read, catalogue: Catalogue::default(), next_reading: None }
    }
}

impl PodNames {
    /// Adds to what is known of a process of a pod the pod's name, if it is to be found.
    pub(super) fn complete(&mut self, info: &mut ProcessInfo) {
        if info.pod_uid.is_none() {
            return;
        }
        info.pod = self.find(info).or_else(|| {
            self.read_again();
            self.find(info)
        });
    }

    fn find(&self, info: &ProcessInfo) -> Option<String> {
        let pod = self.catalogue.pod_of(info.pod_uid.as_deref(), info.container.as_deref());
        pod.map(|(namespace, name)| format!("{namespace}/{name}"))
    }

    fn read_again(&mut self) {
        let began = Instant::now();
        if self.next_reading.is_some_and(|due| began < due) {
            return;
        }
        self.catalogue = (self.read)();
        self.next_reading = Some(began + LEAST_REST.max(began.elapsed() * REST));
    }
}

#[cfg(test)]
mod tests {
    use super::PodNames;
    use crate::containers::{Catalogue, KnownPod};
    use crate::model::process::ProcessInfo;
    use std::sync::atomic::{AtomicU32, Ordering};

    static READINGS: AtomicU32 = AtomicU32::new(0);

    fn read() -> Catalogue {
        READINGS.fetch_add(1, Ordering::Relaxed);
        let pod = ("shop".to_owned(), "front".to_owned());
        Catalogue { pods: vec![KnownPod { pod, uid: "u-1".to_owned() }], ..Catalogue::default() }
    }

    #[test]
    fn files_are_read_when_needed_and_not_again_and_again() {
        let mut names = PodNames { read, ..PodNames::default() };
        let mut name = |uid: Option<&str>| {
            let mut info =
                ProcessInfo { pod_uid: uid.map(str::to_owned), ..ProcessInfo::default() };
            names.complete(&mut info);
            (info.pod, READINGS.load(Ordering::Relaxed))
        };
        assert_eq!(name(None), (None, 0));
        assert_eq!(name(Some("u-1")), (Some("shop/front".to_owned()), 1));
        assert_eq!(name(Some("u-2")), (None, 1), "it is too early to look again");
        assert_eq!(name(Some("u-1")), (Some("shop/front".to_owned()), 1));
    }
}
