//! Which processes selections mean.

use super::{
    CgroupSelector, Container, ContainerRef, Decision, Exclusion, ExeFacts, ExeSelector, Facts,
    FileId, Hierarchy, Membership, Miss, Pattern, PodRef, Runtime, Selection,
};
use crate::model::ids::ProcessKey;
use proptest::prelude::{any, prop_assert, proptest};

const US: u32 = 1;
const ID: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

fn place(hierarchy: Hierarchy, path: &str) -> Membership {
    Membership { hierarchy, path: path.to_owned() }
}

fn nginx() -> Facts {
    Facts {
        key: ProcessKey { pid: 70, start_time: 9 },
        comm: b"nginx".to_vec(),
        exe: Some(ExeFacts {
            path: "/usr/sbin/nginx".into(),
            deleted: false,
            file: Some(FileId { device: 1, inode: 2 }),
        }),
        uid: Some(33),
        effective_uid: Some(0),
        cgroups: vec![
            place(Hierarchy::Unified, "/system.slice/nginx.service"),
            place(Hierarchy::with_controllers("cpuacct,cpu"), "/web/front"),
        ],
        container: Some(Container { runtime: Runtime::Docker, id: ID.to_owned() }),
        pod_uid: Some("1-2".to_owned()),
        ..Facts::default()
    }
}

fn comm(text: &str) -> Vec<Pattern> {
    vec![Pattern::of_comm(text).unwrap()]
}

fn means(selection: &Selection) -> bool {
    selection.decide(&nginx(), US) == Decision::Meant
}

#[test]
fn kinds_are_combined_by_and_and_values_by_or() {
    let mut selection = Selection { pids: vec![5, 70], ..Selection::default() };
    assert!(means(&selection));
    selection.comms = [comm("redis*"), comm("ngin?")].concat();
    assert!(means(&selection));
    selection.uids = vec![0];
    // The effective user does not count.
    assert_eq!(selection.decide(&nginx(), US), Decision::NotMeant(Miss::Uid));
    selection.uids.push(33);
    assert!(means(&selection));
    assert_eq!(selection.to_string(), "pid 5 or 70, comm redis* or ngin?, uid 0 or 33");
    assert_eq!(Selection::default().decide(&nginx(), US), Decision::NotMeant(Miss::Nothing));
    assert!(means(&Selection { all: true, ..Selection::default() }));
}

#[test]
fn exclusions_win() {
    let all = Selection { all: true, ..Selection::default() };
    assert_eq!(all.decide(&nginx(), 70), Decision::Excluded(Exclusion::Ourselves));
    let thread = Facts { kernel_thread: true, ..nginx() };
    assert_eq!(all.decide(&thread, US), Decision::Excluded(Exclusion::KernelThread));
    let named = Selection { pids: vec![70], exclude_pids: vec![70], ..Selection::default() };
    assert_eq!(named.decide(&nginx(), US), Decision::Excluded(Exclusion::Pid));
    let called = Selection { all: true, exclude_comms: comm("n*"), ..Selection::default() };
    assert_eq!(called.decide(&nginx(), US), Decision::Excluded(Exclusion::Comm));
}

#[test]
fn files_decide_about_programs_and_paths_where_there_is_no_file() {
    let file = |path: &str, file| Selection {
        exes: vec![ExeSelector::File { path: path.into(), file }],
        ..Selection::default()
    };
    let (same, other) = (FileId { device: 1, inode: 2 }, FileId { device: 1, inode: 3 });
    assert!(means(&file("/another/name", Some(same))));
    assert!(!means(&file("/usr/sbin/nginx", Some(other))));
    assert!(means(&file("/usr/sbin/nginx", None)));
    let mut replaced = nginx();
    replaced.exe.as_mut().unwrap().deleted = true;
    assert_eq!(file("/usr/sbin/nginx", Some(other)).decide(&replaced, US), Decision::Meant);
    let like = |text| Selection {
        exes: vec![ExeSelector::Like(Pattern::of_path(text).unwrap())],
        ..Selection::default()
    };
    assert!(means(&like("/usr/*/nginx")) && !means(&like("*/nginx")) && means(&like("**/nginx")));
}

#[test]
fn groups_hold_their_descendants() {
    let group = |controllers: &str, path: &str| Selection {
        cgroups: vec![CgroupSelector {
            hierarchy: Hierarchy::with_controllers(controllers),
            path: path.to_owned(),
        }],
        ..Selection::default()
    };
    assert!(means(&group("", "/")) && means(&group("", "/system.slice")));
    assert!(means(&group("", "/system.slice/nginx.service")));
    assert!(
        !means(&group("", "/system.slice/nginx"))
            && !means(&group("", "/system.slice/nginx.service/x"))
    );
    assert!(means(&group("cpu,cpuacct", "/web")) && !means(&group("cpu", "/web")));
    assert!(!place(Hierarchy::Unified, "/../other").is_within("/"));
    assert!(!place(Hierarchy::Unified, "/..").is_within("/"));
    assert!(place(Hierarchy::Unified, "/..hidden").is_within("/"));
    assert!(place(Hierarchy::Unified, "/../other").is_within("/../other"));
}

#[test]
fn containers_are_named_by_the_beginning_of_their_ids() {
    let named =
        |typed| Selection { containers: vec![ContainerRef::named(typed)], ..Selection::default() };
    assert!(means(&named("0123")) && means(&named("0123456789AB")) && means(&named(ID)));
    assert!(!means(&named("012")) && !means(&named("0124")) && !means(&named("web")));
    let lxc = Container { runtime: Runtime::Lxc, id: "web".to_owned() };
    assert!(ContainerRef::named("web").means(&lxc) && !ContainerRef::named("we").means(&lxc));
}

#[test]
fn ambiguous_ids_list_their_candidates() {
    let ids = ["0123aa", "0123bb", "0999cc"].map(|start| format!("{start}{}", "0".repeat(58)));
    let known = ids.clone().map(|id| Container { runtime: Runtime::Podman, id });
    let mut one = ContainerRef::named("0123a");
    assert_eq!(one.settle(&known), Ok(true));
    assert_eq!(one.ids, [ids[0].clone()]);
    let candidates = ContainerRef::named("0123").settle(&known).unwrap_err();
    assert_eq!(candidates, ["0123aa000000 (podman)", "0123bb000000 (podman)"]);
    assert_eq!(ContainerRef::named("ffff").settle(&known), Ok(false));
}

#[test]
fn pods_are_known_by_uid_or_by_container() {
    let mut pod = PodRef::read("shop/front-1").unwrap();
    assert!(!means(&Selection { pods: vec![pod.clone()], ..Selection::default() }));
    pod.uids.push("1-2".to_owned());
    assert!(means(&Selection { pods: vec![pod.clone()], ..Selection::default() }));
    let by_container = PodRef { uids: Vec::new(), containers: vec![ID.to_owned()], ..pod };
    assert!(means(&Selection { pods: vec![by_container], ..Selection::default() }));
    for wrong in ["shop", "/x", "x/", "a/b/c", "a b/c", "\u{1b}/x"] {
        assert_eq!(PodRef::read(wrong), None, "{wrong}");
    }
}

#[test]
fn what_is_not_known_matches_nothing() {
    let bare = Facts { key: ProcessKey { pid: 70, start_time: 9 }, ..Facts::default() };
    for selection in [
        Selection { uids: vec![0], ..Selection::default() },
        Selection {
            exes: vec![ExeSelector::Like(Pattern::of_path("**").unwrap())],
            ..Selection::default()
        },
        Selection { containers: vec![ContainerRef::named("0123")], ..Selection::default() },
    ] {
        assert_ne!(selection.decide(&bare, US), Decision::Meant);
    }
}

proptest! {
    #[test]
    fn hostile_names_do_no_harm(name in any::<Vec<u8>>(), path in "\\PC{0,60}") {
        let facts = Facts {
            comm: name,
            cgroups: vec![place(Hierarchy::Unified, &path)],
            ..nginx()
        };
        let selection = Selection {
            comms: comm("a*"),
            cgroups: vec![CgroupSelector { hierarchy: Hierarchy::Unified, path: "/a".to_owned() }],
            ..Selection::default()
        };
        let decided = selection.decide(&facts, US);
        prop_assert!(decided != Decision::Meant || facts.comm.first() == Some(&b'a'));
    }
}
