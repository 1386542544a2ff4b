//! The cache in folders of its own.

use super::{CacheError, TableCache, entry, key};
use crate::unwind::Table;
use proptest::prelude::*;
use std::fs::{self, File, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

/// A file that root owns and that has a build-id.
fn library() -> File {
    let maps = fs::read_to_string("/proc/self/maps").unwrap();
    let path = maps.split_whitespace().find(|word| word.contains("/libc.so")).unwrap();
    File::open(path).unwrap()
}

fn cache(limit: u64) -> (tempfile::TempDir, TableCache) {
    let folder = tempfile::tempdir().unwrap();
    let cache = TableCache::open(&folder.path().join("a/b"), limit).unwrap();
    (folder, cache)
}

fn entries(cache: &TableCache) -> Vec<PathBuf> {
    let entries = fs::read_dir(&cache.folder).unwrap();
    entries.map(|entry| entry.unwrap().path()).collect()
}

/// Puts something into the only entry that only the cache can know of, and gives its path.
fn marked(cache: &TableCache, file: &File) -> (PathBuf, Table) {
    let mut table = cache.table(file).unwrap();
    table.stats.skipped = 77;
    cache.store(&key(file).unwrap(), &table).unwrap();
    let [path] = entries(cache).try_into().unwrap();
    (path, table)
}

/// An entry of a small library, as the fuzzer begins with it.
fn seed() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/regressions/cache_entry/whole")
}

/// If the form of entries changes: `encode` makes a new one.
#[test]
fn the_fuzzer_begins_with_an_entry() {
    let bytes = fs::read(seed()).unwrap();
    let table = super::decode_any(&bytes).unwrap();
    assert!(table.rows.len() > 10 && table.rules.len() > 4);
}

#[test]
fn a_table_is_built_once() {
    let (_folder, cache) = cache(u64::MAX);
    let file = library();
    assert_eq!(cache.table(&file).unwrap(), Table::build(&file).unwrap());
    let (path, table) = marked(&cache, &file);
    assert_eq!(cache.table(&file).unwrap(), table);
    assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn damaged_entries_are_ignored_and_replaced() {
    let (_folder, cache) = cache(u64::MAX);
    let file = library();
    let built = Table::build(&file).unwrap();
    let (path, _) = marked(&cache, &file);
    let whole = fs::read(&path).unwrap();
    for place in [0, 8, 12, 16, 40, whole.len() / 2, whole.len() - 1] {
        let mut damaged = whole.clone();
        damaged[place] ^= 0x10;
        fs::write(&path, damaged).unwrap();
        assert_eq!(cache.table(&file).unwrap(), built, "byte {place}");
    }
    for length in [0, 1, 15, 16, 100, whole.len() - 1] {
        fs::write(&path, &whole[..length]).unwrap();
        assert_eq!(cache.table(&file).unwrap(), built, "{length} bytes");
    }
}

#[test]
fn what_others_could_write_is_not_believed() {
    let (folder, cache) = cache(u64::MAX);
    let file = library();
    let (path, _) = marked(&cache, &file);
    fs::set_permissions(&path, Permissions::from_mode(0o622)).unwrap();
    assert_eq!(cache.table(&file).unwrap(), Table::build(&file).unwrap());

    let open = |path: &Path| TableCache::open(path, 1);
    fs::set_permissions(&cache.folder, Permissions::from_mode(0o1777)).unwrap();
    assert!(matches!(open(&cache.folder), Err(CacheError::NotTrusted(_))));
    let link = folder.path().join("link");
    std::os::unix::fs::symlink(folder.path().join("a"), &link).unwrap();
    assert!(matches!(open(&link), Err(CacheError::NotTrusted(_))));
    assert!(matches!(open(Path::new("/dev/null/x")), Err(CacheError::Io { .. })));
}

#[test]
fn links_are_not_followed() {
    let (folder, cache) = cache(u64::MAX);
    let file = library();
    let (path, _) = marked(&cache, &file);
    let elsewhere = folder.path().join("elsewhere");
    fs::rename(&path, &elsewhere).unwrap();
    std::os::unix::fs::symlink(&elsewhere, &path).unwrap();
    assert_eq!(cache.table(&file).unwrap(), Table::build(&file).unwrap());
}

/// A copy that somebody else could change may carry any build-id.
#[test]
fn files_that_others_could_write_are_not_kept() {
    let (folder, cache) = cache(u64::MAX);
    let copy = folder.path().join("copy");
    std::io::copy(&mut library(), &mut File::create(&copy).unwrap()).unwrap();
    fs::set_permissions(&copy, Permissions::from_mode(0o666)).unwrap();
    cache.table(&File::open(&copy).unwrap()).unwrap();
    assert_eq!(entries(&cache), [] as [PathBuf; 0]);
}

#[test]
fn the_oldest_entries_go() {
    let (_folder, cache) = cache(300_000);
    let (path, _) = marked(&cache, &library());
    let size = path.metadata().unwrap().len();
    assert!((60_000..150_000).contains(&size), "{size} bytes");
    let at = |second| std::time::UNIX_EPOCH + std::time::Duration::from_secs(second);
    for (name, second) in [("new-x.unwind", 1), ("2.unwind", 2), ("3.unwind", 3)] {
        let file = File::create(cache.folder.join(name)).unwrap();
        file.set_len(size).unwrap();
        file.set_modified(at(second)).unwrap();
    }
    fs::write(cache.folder.join("other"), [0; 9]).unwrap();
    marked_again(&cache);
    let kept = 300_000 / size - 1;
    let mut left: Vec<String> = entries(&cache)
        .iter()
        .map(|path| path.file_name().unwrap().to_str().unwrap().to_owned())
        .filter(|name| name.len() < 20)
        .collect();
    left.sort();
    let all = ["2.unwind", "3.unwind"];
    let expected: Vec<&str> = all[2 - kept as usize..].iter().copied().chain(["other"]).collect();
    assert_eq!(left, expected);
    assert!(path.exists());
}

fn marked_again(cache: &TableCache) {
    let file = library();
    let table = cache.table(&file).unwrap();
    cache.store(&key(&file).unwrap(), &table).unwrap();
}

#[test]
fn what_is_larger_than_the_cache_is_not_kept() {
    let (_folder, cache) = cache(1000);
    cache.table(&library()).unwrap();
    assert_eq!(entries(&cache), [] as [PathBuf; 0]);
}

proptest! {
    /// With a right checksum, too, any bytes are survived, and what comes out is sound.
    #[test]
    fn any_bytes_are_survived(changes in proptest::collection::vec((0..200_usize, any::<u8>()), 1..4)) {
        let file = library();
        let key = key(&file).unwrap();
        let mut table = Table::build(&file).unwrap();
        let start = table.text.start;
        table.text = start..start + 9;
        (table.pages, table.rows) = (vec![table.pages[0]], table.rows[..1].to_vec());
        table.pages[0].count = 1;
        let mut bytes = entry::encode(&table, &key);
        prop_assert!(entry::decode(&bytes, &key).is_some());
        for (place, value) in changes {
            bytes[16 + place] = value;
        }
        let sum = crc32fast::hash(&bytes[16..]);
        bytes[12..16].copy_from_slice(&sum.to_le_bytes());
        if let Some(table) = entry::decode(&bytes, &key) {
            prop_assert!(table.is_sound());
        }
    }
}
