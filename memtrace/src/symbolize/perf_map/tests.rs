//! Perf maps of processes that a directory pretends.

use super::{MAX_BYTES, PerfMaps, Refusal};
use crate::engine::ports::Missing;
use crate::model::ids::ProcessKey;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

const PROCESS: ProcessKey = ProcessKey { pid: 4711, start_time: 99 };
const MAPS: &str = "\
1000-2000 r-xp 00000000 00:00 0
2000-3000 rw-p 00000000 00:00 0
3000-4000 r-xp 00000000 08:01 77 /usr/lib/libc.so.6
4000-5000 rwxp 00000000 00:00 0 [anon:v8]
5000-6000 r-xp 00000000 00:00 0 [vdso]
";

/// A directory like `/proc` with one process, whose number in its own namespace is 7.
struct Fake(tempfile::TempDir);

impl Fake {
    fn new(user: u32) -> Self {
        let fake = Self(tempfile::tempdir().unwrap());
        fs::create_dir_all(fake.path("root/tmp")).unwrap();
        let stat = format!("4711 (a) b) S {}99 0", "0 ".repeat(18));
        fs::write(fake.path("stat"), stat).unwrap();
        let status = format!("Name:\tx\nUid:\t{user}\t{user}\t5\t5\nNSpid:\t4711\t7\n");
        fs::write(fake.path("status"), status).unwrap();
        fs::write(fake.path("maps"), MAPS).unwrap();
        fake
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join("4711").join(name)
    }

    fn map(&self) -> PathBuf {
        self.path("root/tmp/perf-7.map")
    }

    fn maps(&self) -> PerfMaps {
        PerfMaps::new(self.0.path().to_owned())
    }
}

/// Our own user, who owns the files that the tests make.
fn user() -> u32 {
    // SAFETY: cannot fail.
    unsafe { libc::geteuid() }
}

fn names(maps: &mut PerfMaps, addresses: &[u64]) -> Vec<String> {
    let name = |answer: Option<crate::engine::ports::Resolved>| match answer {
        None => "-".to_owned(),
        Some(Ok(frames)) => frames[0].function.clone(),
        Some(Err(missing)) => missing.reason().to_owned(),
    };
    maps.resolve(PROCESS, addresses).into_iter().map(name).collect()
}

#[test]
fn only_anonymous_code_is_named() {
    let fake = Fake::new(user());
    fs::write(fake.map(), "1000 5000 everything\n").unwrap();
    let addresses = [0x1000, 0x1001, 0x2000, 0x2001, 0x3001, 0x4001, 0x5001];
    let expected = ["-", "everything", "everything", "-", "-", "everything", "-"];
    assert_eq!(names(&mut fake.maps(), &addresses), expected);
}

#[test]
fn a_map_grows_shrinks_and_outlives_its_process() {
    let fake = Fake::new(user());
    let mut maps = fake.maps();
    assert_eq!(names(&mut maps, &[0x1001]), ["-"]);
    fs::write(fake.map(), "1000 10 first\n1010 10 sec").unwrap();
    assert_eq!(names(&mut maps, &[0x1001, 0x1011]), ["first", "-"]);
    fs::write(fake.map(), "1000 10 first\n1010 10 second\n").unwrap();
    assert_eq!(names(&mut maps, &[0x1001, 0x1011]), ["first", "second"]);
    fs::write(fake.map(), "1000 10 other\n").unwrap();
    assert_eq!(names(&mut maps, &[0x1001, 0x1011]), ["other", "-"]);
    fs::remove_dir_all(fake.path("")).unwrap();
    assert_eq!(names(&mut maps, &[0x1001]), ["other"]);
}

#[test]
fn another_process_under_the_same_number_is_not_asked() {
    let fake = Fake::new(user());
    fs::write(fake.map(), "1000 10 first\n").unwrap();
    let earlier = ProcessKey { start_time: 98, ..PROCESS };
    assert_eq!(fake.maps().resolve(earlier, &[0x1001]), [None]);
}

#[track_caller]
fn refused(fake: &Fake, refusal: Refusal) {
    let mut maps = fake.maps();
    for _ in 0..2 {
        assert_eq!(names(&mut maps, &[0x1001]), [Missing::UntrustedMap.reason()]);
        assert_eq!(maps.refused().iter().collect::<Vec<_>>(), [(&refusal, &1)], "counted once");
    }
}

#[test]
fn what_is_not_the_targets_own_file_is_refused() {
    let fake = Fake::new(user());
    fs::write(fake.path("elsewhere"), "1000 10 wrong\n").unwrap();
    symlink(fake.path("elsewhere"), fake.map()).unwrap();
    refused(&fake, Refusal::Link);
    fs::remove_file(fake.map()).unwrap();
    symlink("perf-7.map", fake.map()).unwrap();
    refused(&fake, Refusal::Link);
    fs::remove_file(fake.map()).unwrap();
    fs::create_dir(fake.map()).unwrap();
    refused(&fake, Refusal::NotRegular);
    fs::remove_dir(fake.map()).unwrap();
    let name = std::ffi::CString::new(fake.map().to_str().unwrap()).unwrap();
    // SAFETY: the name is a C string that outlives the call.
    assert_eq!(unsafe { libc::mkfifo(name.as_ptr(), 0o600) }, 0);
    refused(&fake, Refusal::NotRegular);
}

#[test]
fn links_in_the_directories_are_refused_too() {
    let fake = Fake::new(user());
    fs::create_dir(fake.path("real")).unwrap();
    fs::write(fake.path("real/perf-7.map"), "1000 10 wrong\n").unwrap();
    fs::remove_dir(fake.path("root/tmp")).unwrap();
    symlink(fake.path("real"), fake.path("root/tmp")).unwrap();
    refused(&fake, Refusal::Link);
}

#[test]
fn a_map_of_another_user_is_refused() {
    if user() != 0 {
        // Only root can give a file away.
        return;
    }
    let fake = Fake::new(1000);
    fs::write(fake.map(), "1000 10 root's\n").unwrap();
    assert_eq!(names(&mut fake.maps(), &[0x1001]), ["root's"]);
    std::os::unix::fs::chown(fake.map(), Some(1001), None).unwrap();
    refused(&fake, Refusal::Owner);
    std::os::unix::fs::chown(fake.map(), Some(1000), None).unwrap();
    assert_eq!(names(&mut fake.maps(), &[0x1001]), ["root's"]);
}

#[test]
fn a_sparse_map_is_read_to_a_limit() {
    let fake = Fake::new(user());
    fs::write(fake.map(), "1000 10 first\n").unwrap();
    let file = fs::OpenOptions::new().append(true).open(fake.map()).unwrap();
    file.set_len(1 << 40).unwrap();
    let mut maps = fake.maps();
    let found = names(&mut maps, &[0x1001, 0x1101]);
    assert_eq!(found, ["first", Missing::TooLarge.reason()]);
    assert_eq!(maps.refused().get(&Refusal::TooLarge), Some(&1));
    assert_eq!(maps.maps[&PROCESS].read, MAX_BYTES);
}
