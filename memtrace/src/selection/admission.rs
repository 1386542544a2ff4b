//! What of a selection the kernel side can decide by itself, in the form that it wants. It lets in only
//! whom it is sure of; what is left out here is decided in user space, a moment later.

use super::decide::{in_cgroup, in_container, in_pod};
use super::pattern::Pattern;
use super::{ExeSelector, Facts, FileId, Selection};
use crate::model::ids::Pid;
use memtrace_common::admission::{
    Admission, Criterion, MAX_CRITERIA, NamePatterns, Part, satisfied,
};
use std::collections::BTreeMap;

/// A control group of version 2.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnifiedGroup {
    /// Its number, which is its directory's inode.
    pub id: u64,
    /// What is known of a process of which nothing but this group is.
    pub facts: Facts,
}

/// Whom the kernel side lets in.
#[derive(Clone, Debug)]
pub struct AdmissionRules {
    /// What is required, and the names.
    pub admission: Box<Admission>,
    /// The facts, with what they satisfy.
    pub criteria: BTreeMap<Criterion, u64>,
}

impl AdmissionRules {
    /// How many groups can be added.
    #[must_use]
    pub fn room_for_groups(&self) -> usize {
        (MAX_CRITERIA as usize).saturating_sub(self.criteria.len())
    }
}

impl Selection {
    /// Whom the kernel side can let in, never `ourselves`; groups that are wanted come to it
    /// ([`Self::groups_wanted`]). `None`: nobody, as it could not tell whom not.
    #[must_use]
    pub fn admission(&self, ourselves: Pid) -> Option<AdmissionRules> {
        // Numbers mean processes that there are.
        if !self.is_search() || !self.pids.is_empty() {
            return None;
        }
        let mut admission = Box::<Admission>::default();
        for (number, pattern) in self.exclude_comms.iter().enumerate() {
            // What cannot be told is not meant may not be let in.
            let parts = parts(pattern)?;
            if !admission.excluded.add(number, &parts) {
                return None;
            }
        }
        add_wanted(&mut admission.wanted, &self.comms);
        admission.required = self.required();
        let mut criteria = self.never(ourselves);
        if criteria.len() > MAX_CRITERIA as usize {
            return None;
        }
        for (criterion, worth) in self.facts_wanted() {
            if criteria.len() < MAX_CRITERIA as usize || criteria.contains_key(&criterion) {
                *criteria.entry(criterion).or_default() |= worth;
            }
        }
        Some(AdmissionRules { admission, criteria })
    }

    /// What a process must satisfy.
    fn required(&self) -> u64 {
        let kinds = [
            (!self.comms.is_empty(), satisfied::COMM),
            (!self.exes.is_empty(), satisfied::EXE),
            (!self.uids.is_empty(), satisfied::UID),
            (!self.cgroups.is_empty(), satisfied::CGROUP),
            (!self.containers.is_empty(), satisfied::CONTAINER),
            (!self.pods.is_empty(), satisfied::POD),
        ];
        let wanted = kinds.into_iter().filter(|(is_wanted, _)| *is_wanted);
        wanted.fold(satisfied::DECIDABLE, |required, (_, kind)| required | kind)
    }

    fn never(&self, ourselves: Pid) -> BTreeMap<Criterion, u64> {
        let pids = self.exclude_pids.iter().copied().chain([ourselves]);
        pids.map(|pid| (Criterion::process(pid), satisfied::EXCLUDED)).collect()
    }

    fn facts_wanted(&self) -> Vec<(Criterion, u64)> {
        let user = |uid: &u32| (Criterion::user(*uid), satisfied::UID);
        let file = |exe: &ExeSelector| match exe {
            ExeSelector::File { file: Some(FileId { device, inode }), .. } => {
                Some((Criterion::file(kernel_device(*device), *inode), satisfied::EXE))
            }
            _ => None,
        };
        let mut wanted: Vec<_> = self.uids.iter().map(user).collect();
        wanted.extend(self.exes.iter().filter_map(file));
        wanted
    }

    /// Whether it depends on control groups who is meant.
    #[must_use]
    pub const fn asks_for_groups(&self) -> bool {
        !(self.cgroups.is_empty() && self.containers.is_empty() && self.pods.is_empty())
    }

    /// The outermost groups that are wanted, with what they satisfy: those below come with them. `groups` are
    /// those that there are, outer ones before inner ones.
    #[must_use]
    pub fn groups_wanted(&self, groups: &[UnifiedGroup]) -> Vec<(u64, u64)> {
        let mut known: BTreeMap<&str, u64> = BTreeMap::new();
        let mut wanted = Vec::new();
        for group in groups {
            let Some(place) = group.facts.cgroups.first() else { continue };
            let worth = self.worth_of_group(&group.facts);
            let outer = place.path.rsplit_once('/').map_or("", |(outer, _)| outer);
            let outer = known.get(if outer.is_empty() { "/" } else { outer });
            if worth & !outer.copied().unwrap_or(0) != 0 {
                wanted.push((group.id, worth));
            }
            known.insert(&place.path, worth);
        }
        wanted
    }

    /// What is satisfied by the groups that these facts name.
    #[must_use]
    pub fn worth_of_group(&self, facts: &Facts) -> u64 {
        let kinds = [
            (in_cgroup(self, facts), satisfied::CGROUP),
            (in_container(self, facts), satisfied::CONTAINER),
            (in_pod(self, facts), satisfied::POD),
        ];
        kinds.into_iter().filter(|(is_in, _)| *is_in).fold(0, |worth, (_, kind)| worth | kind)
    }
}

/// Adds those that fit; one that does not is left to user space.
fn add_wanted(wanted: &mut NamePatterns, patterns: &[Pattern]) {
    let mut number = 0;
    for parts in patterns.iter().filter_map(parts) {
        if wanted.add(number, &parts) {
            number += 1;
        }
    }
}

/// A pattern that has nothing but literal bytes, `*` and `?`.
fn parts(pattern: &Pattern) -> Option<Vec<Part>> {
    let text = pattern.text();
    // Two stars beside a slash are more than one to `globset`.
    if text.contains("**") {
        return None;
    }
    let mut parts = Vec::new();
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        parts.push(match byte {
            b'*' => Part::Many,
            b'?' => Part::One,
            b'[' | b']' | b'{' | b'}' => return None,
            b'\\' => Part::Byte(bytes.next()?),
            byte => Part::Byte(byte),
        });
    }
    Some(parts)
}

/// A device as the kernel itself has it (`new_encode_dev` of `linux/kdev_t.h` makes it what `stat` gives).
/// Some file systems (btrfs, overlayfs on several others) give `stat` another device than the one they are
/// on: their files are left to user space, as nothing is on that device here.
const fn kernel_device(device: u64) -> u64 {
    let major = (device >> 8 & 0xfff) | (device >> 32 & !0xfff);
    let minor = (device & 0xff) | (device >> 12 & 0xf_ff00);
    major << 20 | minor
}

#[cfg(test)]
mod tests {
    use super::{Selection, UnifiedGroup, kernel_device, parts};
    use crate::selection::{
        CgroupSelector, Container, ContainerRef, Decision, ExeSelector, Facts, FileId, Hierarchy,
        Membership, Pattern, Runtime,
    };
    use memtrace_common::admission::{
        COMM_LENGTH, Criterion, MAX_CRITERIA, NamePatterns, satisfied,
    };
    use proptest::prelude::*;

    const OURSELVES: u32 = 7;

    fn comm(text: &str) -> Pattern {
        Pattern::of_comm(text).unwrap()
    }

    fn padded(text: &[u8]) -> [u8; COMM_LENGTH] {
        let mut name = [0; COMM_LENGTH];
        name[..text.len()].copy_from_slice(text);
        name
    }

    /// What the kernel side would decide of a process with these facts.
    fn lets_in(selection: &Selection, facts: &Facts) -> bool {
        let Some(rules) = selection.admission(OURSELVES) else { return false };
        let worth = |criterion| rules.criteria.get(&criterion).copied().unwrap_or(0);
        let mut sum = worth(Criterion::process(facts.key.pid));
        sum |= facts.uid.map_or(0, |uid| worth(Criterion::user(uid)));
        let file = facts.exe.as_ref().and_then(|exe| exe.file);
        sum |=
            file.map_or(0, |file| worth(Criterion::file(kernel_device(file.device), file.inode)));
        let comm = padded(&facts.comm);
        sum |= if rules.admission.wanted.matches(&comm) { satisfied::COMM } else { 0 };
        sum |= if rules.admission.excluded.matches(&comm) { satisfied::EXCLUDED } else { 0 };
        satisfied::is_meant(sum, rules.admission.required)
    }

    fn named(name: &str, uid: u32) -> Facts {
        Facts { comm: name.into(), uid: Some(uid), ..Facts::default() }
    }

    #[test]
    fn kinds_and_exclusions_are_combined_as_in_user_space() {
        let selection = Selection {
            comms: vec![comm("a*"), comm("[x]"), comm("c")],
            uids: vec![5],
            exclude_comms: vec![comm("ab*")],
            exclude_pids: vec![9],
            ..Selection::default()
        };
        for (name, uid, pid, meant) in [
            ("aa", 5, 1, true),
            ("c", 5, 1, true),
            ("c", 6, 1, false),
            ("abc", 5, 1, false),
            ("aa", 5, 9, false),
            ("aa", 5, OURSELVES, false),
        ] {
            let mut facts = named(name, uid);
            facts.key.pid = pid;
            assert_eq!(lets_in(&selection, &facts), meant, "{name} {uid} {pid}");
            assert_eq!(selection.decide(&facts, OURSELVES) == Decision::Meant, meant);
        }
        // Meant, but not for the kernel side to say.
        assert!(!lets_in(&selection, &named("x", 5)));
        assert_eq!(selection.decide(&named("x", 5), OURSELVES), Decision::Meant);
    }

    #[test]
    fn nobody_is_let_in_where_exclusions_are_beyond_the_kernel_side() {
        let all = Selection { all: true, ..Selection::default() };
        assert!(lets_in(&all, &named("a", 1)));
        let without = Selection { exclude_comms: vec![comm("[a]")], ..all.clone() };
        assert!(!lets_in(&without, &named("b", 1)));
        let many = (0..9).map(|number| comm(&number.to_string())).collect();
        assert!(Selection { exclude_comms: many, ..all.clone() }.admission(1).is_none());
        assert!(Selection { exclude_pids: (0..2000).collect(), ..all }.admission(1).is_none());
        assert!(Selection { pids: vec![3], ..Selection::default() }.admission(1).is_none());
    }

    #[test]
    fn files_are_known_by_the_kernels_device() {
        assert_eq!(kernel_device(0x801), 8 << 20 | 1);
        // Major 0x1234, minor 0x56789 (`makedev(3)`).
        assert_eq!(kernel_device(0x1000_5672_3489), 0x1234 << 20 | 0x5_6789);
        let file = FileId { device: 0x801, inode: 77 };
        let exes = vec![ExeSelector::File { path: "/x".into(), file: Some(file) }];
        let rules = Selection { exes, ..Selection::default() }.admission(1).unwrap();
        assert_eq!(rules.criteria.get(&Criterion::file(8 << 20 | 1, 77)), Some(&satisfied::EXE));
    }

    fn group(id: u64, path: &str) -> UnifiedGroup {
        let place = Membership { hierarchy: Hierarchy::Unified, path: path.to_owned() };
        let container =
            path.contains("box").then(|| Container { runtime: Runtime::Lxc, id: "box".to_owned() });
        UnifiedGroup { id, facts: Facts { cgroups: vec![place], container, ..Facts::default() } }
    }

    #[test]
    fn the_outermost_groups_stand_for_those_below() {
        let groups = [(1, "/"), (2, "/a"), (3, "/a/b"), (4, "/box"), (5, "/box/in"), (6, "/c")];
        let groups = groups.map(|(id, path)| group(id, path));
        let selector =
            |path: &str| CgroupSelector { hierarchy: Hierarchy::Unified, path: path.to_owned() };
        let numbers = |selection: Selection| -> Vec<u64> {
            selection.groups_wanted(&groups).into_iter().map(|(id, _)| id).collect()
        };
        let in_groups = |cgroups| Selection { cgroups, ..Selection::default() };
        assert_eq!(numbers(in_groups(vec![selector("/a"), selector("/c")])), [2, 6]);
        assert_eq!(numbers(in_groups(vec![selector("/")])), [1]);
        let legacy = Hierarchy::with_controllers("pids");
        assert_eq!(
            numbers(in_groups(vec![CgroupSelector { hierarchy: legacy, path: "/a".into() }])),
            [0_u64; 0]
        );
        let containers = vec![ContainerRef::named("box")];
        let boxed = Selection { containers, ..Selection::default() };
        assert_eq!(numbers(boxed.clone()), [4]);
        let both = Selection { cgroups: vec![selector("/")], ..boxed };
        let of_both = both.groups_wanted(&groups);
        assert_eq!(
            of_both,
            [(1, satisfied::CGROUP), (4, satisfied::CGROUP | satisfied::CONTAINER)]
        );
        assert!(both.asks_for_groups() && !Selection::default().asks_for_groups());
        assert_eq!(both.admission(OURSELVES).unwrap().room_for_groups(), MAX_CRITERIA as usize - 1);
    }

    proptest! {
        #[test]
        fn patterns_mean_the_same_on_both_sides(
            text in "[ab/é?*\\\\]{1,12}",
            name in proptest::collection::vec(
                prop_oneof![Just(b'a'), Just(b'b'), Just(b'/'), Just(0xc3), Just(0xa9), 1_u8..=255],
                0..COMM_LENGTH,
            ),
        ) {
            let Ok(pattern) = Pattern::of_comm(&text) else { return Ok(()) };
            let Some(parts) = parts(&pattern) else { return Ok(()) };
            let mut patterns = NamePatterns::default();
            prop_assert!(patterns.add(3, &parts));
            prop_assert_eq!(patterns.matches(&padded(&name)), pattern.matches(&name), "{}", text);
        }

        #[test]
        fn a_pattern_made_of_a_name_matches_it(
            name in "[a-c]{1,15}",
            stars in proptest::collection::vec(0_usize..15, 0..3),
        ) {
            let mut text: Vec<u8> = name.bytes().collect();
            for star in stars {
                let at = star % text.len();
                text[at] = b'*';
            }
            let text = String::from_utf8(text).unwrap();
            let pattern = comm(&text);
            let Some(parts) = parts(&pattern) else { return Ok(()) };
            let mut patterns = NamePatterns::default();
            prop_assert!(patterns.add(0, &parts));
            prop_assert!(patterns.matches(&padded(name.as_bytes())), "{} {}", text, name);
        }
    }
}
