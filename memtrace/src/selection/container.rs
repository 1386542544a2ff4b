//! Containers and pods: what the names of control groups tell of them, and how they are named by people.

use std::fmt;

/// Least hexadecimal digits of an id that are taken for one.
const LEAST_DIGITS: usize = 4;
/// Digits of a whole id.
const ID_DIGITS: usize = 64;
/// Ids that are listed where several would do.
const MOST_LISTED: usize = 8;
/// Ids or uids that are kept of those that had one name, one after the other.
const MOST_KNOWN: usize = 64;
/// Digits that runtimes print.
const PRINTED_DIGITS: usize = 12;

/// Who runs a container, as far as its group's name tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Runtime {
    /// Docker.
    Docker,
    /// containerd for Kubernetes.
    Containerd,
    /// CRI-O.
    Crio,
    /// Podman.
    Podman,
    /// LXC, Incus, LXD: containers have names instead of ids.
    Lxc,
    /// systemd-nspawn, and other machines of systemd-machined: names, too.
    Machine,
    /// An id whose group does not say whose.
    Unknown,
}

impl Runtime {
    /// Its name, for people.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Docker => "docker",
            Self::Containerd => "containerd",
            Self::Crio => "cri-o",
            Self::Podman => "podman",
            Self::Lxc => "lxc",
            Self::Machine => "machine",
            Self::Unknown => "container",
        }
    }

    /// Whether containers are known by names instead of ids.
    const fn has_names(self) -> bool {
        matches!(self, Self::Lxc | Self::Machine)
    }
}

/// A container, by the name of its control group.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Container {
    /// Who runs it.
    pub runtime: Runtime,
    /// Its id, 64 hexadecimal digits; or its name, where the runtime has no ids.
    pub id: String,
}

impl Container {
    /// As runtimes print it: 12 digits of an id, or the name.
    #[must_use]
    pub fn short(&self) -> &str {
        if self.runtime.has_names() {
            return &self.id;
        }
        self.id.get(..PRINTED_DIGITS).unwrap_or(&self.id)
    }
}

impl fmt::Display for Container {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.short(), self.runtime.name())
    }
}

/// A container, as a user named it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ContainerRef {
    /// What was typed.
    pub typed: String,
    /// Whole ids that are meant; empty as long as none is known.
    pub ids: Vec<String>,
}

/// Whether a word may be the beginning of an id.
#[must_use]
pub fn is_id_prefix(word: &str) -> bool {
    (LEAST_DIGITS..=ID_DIGITS).contains(&word.len())
        && word.bytes().all(|byte| byte.is_ascii_hexdigit())
}

impl ContainerRef {
    /// A container that is not known yet.
    #[must_use]
    pub fn named(typed: &str) -> Self {
        Self { typed: typed.to_owned(), ids: Vec::new() }
    }

    /// Whether this container is meant: by its whole id where that is known, by the beginning of its id,
    /// or by its name where it has one.
    #[must_use]
    pub fn means(&self, container: &Container) -> bool {
        if !self.ids.is_empty() {
            return self.ids.contains(&container.id);
        }
        if container.runtime.has_names() {
            return container.id == self.typed;
        }
        is_id_prefix(&self.typed) && container.id.starts_with(&self.typed.to_ascii_lowercase())
    }

    /// Whether it was named by what another container may be called later.
    #[must_use]
    pub fn is_by_name(&self) -> bool {
        let digits = self.typed.to_ascii_lowercase();
        !is_id_prefix(&digits) || !self.ids.iter().all(|id| id.starts_with(&digits))
    }

    /// Takes in ids of containers with its name. Gives whether there are new ones.
    pub fn learn(&mut self, ids: Vec<String>) -> bool {
        self.is_by_name() && add_newest(&mut self.ids, ids)
    }

    /// Finds out, of the containers that there are, which one is meant. `Ok(false)`: none of them.
    ///
    /// # Errors
    /// The candidates, at most eight, where there are several.
    pub fn settle(&mut self, known: &[Container]) -> Result<bool, Vec<String>> {
        let mut meant: Vec<&Container> = known.iter().filter(|it| self.means(it)).collect();
        meant.sort_by(|one, other| one.id.cmp(&other.id));
        meant.dedup_by(|one, other| one.id == other.id);
        match meant.as_slice() {
            [] => Ok(false),
            [one] => {
                self.ids = vec![one.id.clone()];
                Ok(true)
            }
            several => Err(several.iter().take(MOST_LISTED).map(ToString::to_string).collect()),
        }
    }
}

/// A pod, as a user named it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PodRef {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Uids that it has or had.
    pub uids: Vec<String>,
    /// Ids of containers in it.
    pub containers: Vec<String>,
}

/// Adds what is not there yet; if there are too many the oldest go.
fn add_newest(known: &mut Vec<String>, found: Vec<String>) -> bool {
    let new: Vec<String> = found.into_iter().filter(|it| !known.contains(it)).collect();
    let is_news = !new.is_empty();
    known.extend(new);
    known.drain(..known.len().saturating_sub(MOST_KNOWN));
    is_news
}

impl PodRef {
    /// Reads `NAMESPACE/NAME`.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        let (namespace, name) = text.split_once('/')?;
        let is_name = |word: &str| {
            !word.is_empty()
                && word.len() <= 253
                && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-.".contains(&byte))
        };
        (is_name(namespace) && is_name(name)).then(|| Self {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            ..Self::default()
        })
    }

    /// Takes in uids of a pod with its name, and ids of containers in it. Gives whether there are new ones.
    pub fn learn(&mut self, uids: Vec<String>, containers: Vec<String>) -> bool {
        let new_pod = add_newest(&mut self.uids, uids);
        add_newest(&mut self.containers, containers) || new_pod
    }

    /// Whether a process of this pod or container is meant.
    #[must_use]
    pub fn means(&self, pod_uid: Option<&str>, container: Option<&Container>) -> bool {
        pod_uid.is_some_and(|uid| self.uids.iter().any(|known| known == uid))
            || container.is_some_and(|container| self.containers.contains(&container.id))
    }
}
