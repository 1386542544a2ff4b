//! Links: which kinds this kernel has, and one link per program and file.

use super::entrance::Hall;
use super::error::LiveError;
use super::object::Relocated;
use super::syscall::{ATTACH_MULTI, ATTACH_SESSION, link_multi, link_perf};
use crate::probe::allocator::PlannedFunction;
use memtrace_common::config::LinkKind;
use memtrace_common::site::Role;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::ffi::CString;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::{Arc, OnceLock};

/// A place to probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Point {
    /// Offset in the file of the probed instruction.
    pub offset: u64,
    /// What the program is told: a packed `memtrace_common::site::Site`, or the number of a static probe's
    /// description.
    pub cookie: u64,
    /// What of a call is seen there.
    pub part: Part,
    /// Offset in the file of a static probe's counter, which the kernel is to raise in each process for which
    /// the link is.
    pub semaphore: Option<u64>,
}

impl Point {
    /// All points of a function, the one for its entry first.
    #[must_use]
    pub fn of(function: &PlannedFunction) -> Vec<Self> {
        let part = match (function.wants_return, function.exits.is_empty()) {
            (false, _) => Part::Entry,
            (true, true) if function.site.role == Role::Free => Part::Pair,
            (true, true) => Part::Call,
            (true, false) => Part::Enter,
        };
        let cookie = function.site.pack();
        let at = |offset, part| Self { offset, cookie, part, semaphore: None };
        let exit = |&offset: &u64| at(offset, Part::Exit);
        [at(function.file_offset, part)]
            .into_iter()
            .chain(function.exits.iter().map(exit))
            .collect()
    }
}

/// What of a call is seen at a point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Its entry, which says all.
    Entry,
    /// Its entry, and its return by the replaced return address.
    Call,
    /// Both, by two programs also where one could see both.
    Pair,
    /// Its entry; its return is seen at [`Part::Exit`]s.
    Enter,
    /// A `ret` of a function that was seen to be entered.
    Exit,
    /// A static probe, by which the program tells of a block that it sampled.
    Told,
    /// … of one that is given back.
    ToldFree,
}

/// The programs for allocator functions, loaded for one kind of link.
pub(super) struct Programs {
    object: Arc<Relocated>,
    kind: LinkKind,
    /// Session: entry and return in one. Otherwise: entries.
    calls: Loaded,
    /// Returns; `None` with sessions.
    returns: Option<Loaded>,
    /// Entries that need no return.
    entries: Loaded,
    /// For functions that may throw: few processes have any, and loading takes time.
    purpose: Purpose,
    around: OnceLock<[Loaded; 3]>,
    /// For static probes, which few files have.
    told: OnceLock<[Loaded; 2]>,
}

/// A loaded program.
struct Loaded {
    name: &'static str,
    program: OwnedFd,
    /// What it is loaded for; 0: perf events.
    attach_type: u32,
    /// Linked to returns.
    returns: bool,
    /// Where links carry no cookie: what leads into it.
    hall: Option<Hall>,
}

/// Which of the object's programs to link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// The tracer's own.
    Trace,
    /// Programs that do nothing: the floor of what probing costs.
    Nothing,
    /// Programs that count entries by the point's cookie, a number below
    /// `memtrace_common::limits::MAX_COUNTED_SITES`. For points without returns: a session would
    /// count each return as well.
    Count,
    /// Programs that walk the stack at each return as the tracer does, and count walks by how many
    /// frames they found. Not for sessions.
    Walk,
    /// The same, with the kernel's walk.
    KernelWalk,
}

impl Purpose {
    /// Names of session, entry, return and entry-only programs.
    const fn names(self) -> [&'static str; 4] {
        match self {
            Self::Trace => ["heap_session", "heap_entry", "heap_return", "heap_free"],
            Self::Nothing => {
                ["nothing_session", "nothing_entry", "nothing_return", "nothing_entry"]
            }
            Self::Walk => ["nothing_session", "nothing_entry", "walk_return", "nothing_entry"],
            Self::KernelWalk => {
                ["nothing_session", "nothing_entry", "kernel_walk_return", "nothing_entry"]
            }
            Self::Count => ["count_entry", "count_entry", "nothing_return", "count_entry"],
        }
    }

    /// Name of the program for a function's `ret`s.
    const fn name_at_exit(self) -> &'static str {
        match self {
            Self::Trace => "heap_exit",
            Self::Count | Self::Nothing | Self::Walk | Self::KernelWalk => "nothing_entry",
        }
    }

    /// Names of the programs for static probes on allocations and on frees.
    const fn names_for_static_probes(self) -> [&'static str; 2] {
        match self {
            Self::Trace => ["usdt_allocation", "usdt_free"],
            Self::Count | Self::Nothing | Self::Walk | Self::KernelWalk => ["nothing_entry"; 2],
        }
    }
}

impl Programs {
    pub(super) fn load(
        object: &Arc<Relocated>,
        kind: LinkKind,
        purpose: Purpose,
    ) -> Result<Self, LiveError> {
        let [session, entry, ret, free] = purpose.names();
        let attach = match kind {
            LinkKind::Session | LinkKind::Multi => ATTACH_MULTI,
            LinkKind::Perf => 0,
        };
        let load = |name, attach, returns| Loaded::new(object, name, attach, returns);
        let (calls, returns) = match kind {
            LinkKind::Session => (load(session, ATTACH_SESSION, false)?, None),
            LinkKind::Multi | LinkKind::Perf => {
                (load(entry, attach, false)?, Some(load(ret, attach, true)?))
            }
        };
        let entries = load(free, attach, false)?;
        let (object, around, told) = (Arc::clone(object), OnceLock::new(), OnceLock::new());
        Ok(Self { object, kind, calls, returns, entries, purpose, around, told })
    }

    /// The programs for entries, for exits, and for returns, where they are to be apart.
    fn around(&self) -> Result<&[Loaded; 3], LiveError> {
        if let Some(loaded) = self.around.get() {
            return Ok(loaded);
        }
        let [_, entry, ret, _] = self.purpose.names();
        let loaded = [
            self.load_apart(entry, false)?,
            self.load_apart(self.purpose.name_at_exit(), false)?,
            self.load_apart(ret, true)?,
        ];
        Ok(self.around.get_or_init(|| loaded))
    }

    /// The programs for static probes on allocations and on frees.
    fn told(&self) -> Result<&[Loaded; 2], LiveError> {
        if let Some(loaded) = self.told.get() {
            return Ok(loaded);
        }
        let [allocation, free] = self.purpose.names_for_static_probes();
        let loaded = [self.load_apart(allocation, false)?, self.load_apart(free, false)?];
        Ok(self.told.get_or_init(|| loaded))
    }

    /// A program for entries or for returns alone.
    fn load_apart(&self, name: &'static str, returns: bool) -> Result<Loaded, LiveError> {
        let attach_type = match self.kind {
            LinkKind::Session | LinkKind::Multi => ATTACH_MULTI,
            LinkKind::Perf => 0,
        };
        Loaded::new(&self.object, name, attach_type, returns)
    }

    pub(super) const fn kind(&self) -> LinkKind {
        self.kind
    }

    /// Probes `points` of the file at `path`, in one process or (`None`) in all.
    ///
    /// Gives what keeps the probes there, the links above all.
    ///
    /// # Errors
    /// When a link cannot be made. Those already made are taken down again.
    pub(super) fn attach(
        &self,
        path: &Path,
        points: &[Point],
        process: Option<u32>,
    ) -> Result<Vec<OwnedFd>, LiveError> {
        let with = |part| -> Vec<Point> {
            points.iter().filter(|point| point.part == part).copied().collect()
        };
        let (paired, single, pair) = (with(Part::Call), with(Part::Entry), with(Part::Pair));
        let (enter, mut exit) = (with(Part::Enter), with(Part::Exit));
        // Functions share code, and each `ret` is to be probed once.
        exit.sort_unstable_by_key(|point| point.offset);
        exit.dedup_by_key(|point| point.offset);
        let mut links = Vec::new();
        // Frees first, as a process may be a target already, when a library comes late: a free of a block that
        // was not seen is of an older one, while a block whose free was not seen would live for ever.
        self.link(&mut links, &self.entries, path, &single, process)?;
        if !pair.is_empty() {
            let [entries, _, returns] = self.around()?;
            self.link(&mut links, returns, path, &pair, process)?;
            self.link(&mut links, entries, path, &pair, process)?;
        }
        // Returns before entries: a return whose entry was not seen is merely unpaired, while an
        // entry whose return is not seen would be a call that never ends.
        if let Some(returns) = &self.returns {
            self.link(&mut links, returns, path, &paired, process)?;
        }
        self.link(&mut links, &self.calls, path, &paired, process)?;
        if !enter.is_empty() {
            let [entries, exits, _] = self.around()?;
            self.link(&mut links, exits, path, &exit, process)?;
            self.link(&mut links, entries, path, &enter, process)?;
        }
        let (told, told_free) = (with(Part::Told), with(Part::ToldFree));
        if !(told.is_empty() && told_free.is_empty()) {
            let [allocations, frees] = self.told()?;
            // Frees first, here as well.
            self.link(&mut links, frees, path, &told_free, process)?;
            self.link(&mut links, allocations, path, &told, process)?;
        }
        Ok(links)
    }

    fn link(
        &self,
        links: &mut Vec<OwnedFd>,
        loaded: &Loaded,
        path: &Path,
        points: &[Point],
        process: Option<u32>,
    ) -> Result<(), LiveError> {
        if points.is_empty() {
            return Ok(());
        }
        let failed = |source| LiveError::Link {
            what: format!(
                "{} places of {} by {} link",
                points.len(),
                path.display(),
                self.kind.name()
            ),
            source,
        };
        let name = CString::new(path.as_os_str().as_bytes())
            .map_err(|error| failed(std::io::Error::other(error)))?;
        if self.kind == LinkKind::Perf {
            let mut entrances = BTreeMap::new();
            for point in points {
                // Places with the same cookie share one.
                let own: &Option<OwnedFd> = match entrances.entry(point.cookie) {
                    Entry::Occupied(known) => known.into_mut(),
                    Entry::Vacant(new) => new.insert(self.entrance(loaded, point)?),
                };
                let program = own.as_ref().unwrap_or(&loaded.program).as_fd();
                let link = link_perf(program, &name, *point, loaded.returns, process);
                links.push(link.map_err(failed)?);
            }
            if let Some(hall) = &loaded.hall {
                // The ways in lead somewhere as long as somebody has its table: whoever has the links.
                links.push(hall.table().map_err(failed)?);
            }
            return Ok(());
        }
        let Loaded { program, attach_type, returns, .. } = loaded;
        let link = link_multi(program.as_fd(), *attach_type, &name, points, *returns, process);
        links.push(link.map_err(failed)?);
        Ok(())
    }

    /// The way into the program for this site alone, where links carry no cookie.
    fn entrance(&self, loaded: &Loaded, point: &Point) -> Result<Option<OwnedFd>, LiveError> {
        let Some(hall) = &loaded.hall else { return Ok(None) };
        self.object.load_entrance(loaded.name, hall, point.cookie).map(Some)
    }
}

impl Loaded {
    fn new(
        object: &Relocated,
        name: &'static str,
        attach_type: u32,
        returns: bool,
    ) -> Result<Self, LiveError> {
        let program = object.load(name, attach_type)?;
        let needs_hall = attach_type == 0 && !object.abilities().attach_cookies;
        let hall = needs_hall.then(|| Hall::of(program.as_fd())).transpose()?;
        Ok(Self { name, program, attach_type, returns, hall })
    }
}

/// Whether a multi link for process −1 is refused as invalid. `false` also where there are no multi
/// links: they then fail by themselves.
pub(super) fn multi_refuses_negative_pid(object: &Relocated) -> Result<bool, LiveError> {
    let Ok(program) = object.load("nothing_entry", ATTACH_MULTI) else { return Ok(true) };
    let place = [Point { offset: 0, cookie: 0, part: Part::Entry, semaphore: None }];
    let link =
        link_multi(program.as_fd(), ATTACH_MULTI, c"/proc/self/exe", &place, false, Some(u32::MAX));
    Ok(link.is_err_and(|error| error.raw_os_error() == Some(libc::EINVAL)))
}

/// Takes links down, all at once: each may wait for the kernel's grace periods (measured: 110 ms for
/// a perf uprobe, 75 ms for a perf tracepoint), and waiting together costs hardly more than once.
pub fn close_all<T: Send>(links: Vec<T>) {
    /// Threads that close; more do not help, the kernel serialises what is left.
    const CLOSERS: usize = 16;
    let share = links.len().div_ceil(CLOSERS).max(1);
    let mut links = links;
    std::thread::scope(|scope| {
        while !links.is_empty() {
            let part = links.split_off(links.len().saturating_sub(share));
            // Where no thread is to be had the closure is dropped, and the links with it.
            let _ = std::thread::Builder::new().spawn_scoped(scope, move || drop(part));
        }
    });
}
