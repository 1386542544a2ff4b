//! The C library chooses its `memcpy` when it is bound; which one, this process knows of itself.

use super::{Indirect, Slots, Untold, offset};
use crate::model::module::FileState;
use crate::probe::allocator::{MappedFile, open};
use crate::probe::elf::{Image, Kind, Table};
use crate::probe::living::{Living, MappedCode};
use proptest::prelude::*;
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;

const MEMCPY: &[u8] = b"memcpy";

/// This process, whose slots hold what `word` says.
struct Ours<F>(F);

impl<F: Fn(u64) -> Option<u64>> Living for Ours<F> {
    fn files(&self) -> Vec<MappedFile> {
        let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
        let file = |line: &str| {
            let path = PathBuf::from(line.split_whitespace().nth(5)?);
            let mapped = parse(line)?;
            let (open_path, state) = (path.clone(), FileState::default());
            Some(MappedFile { path, device: mapped.device, inode: mapped.inode, state, open_path })
        };
        let mut files: Vec<MappedFile> = maps.lines().filter_map(file).collect();
        files.dedup();
        files
    }

    fn code(&self) -> Vec<MappedCode> {
        let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
        maps.lines().filter_map(parse).collect()
    }

    fn word(&self, address: u64) -> Option<u64> {
        (self.0)(address)
    }
}

/// A mapping of a file's code.
fn parse(line: &str) -> Option<MappedCode> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    let [range, flags, offset, device, inode, _path] = fields[..] else { return None };
    let hexadecimal = |text: &str| u64::from_str_radix(text, 16).unwrap();
    let pair = |text: &str, by| {
        let (one, other) = text.split_once(by).unwrap();
        (hexadecimal(one), hexadecimal(other))
    };
    let ((start, end), (major, minor)) = (pair(range, '-'), pair(device, ':'));
    let device = (u32::try_from(major).unwrap(), u32::try_from(minor).unwrap());
    let offset = hexadecimal(offset);
    let inode = inode.parse().unwrap();
    flags.contains('x').then_some(MappedCode { start, end, offset, device, inode })
}

fn memcpy(living: &dyn Living) -> Indirect {
    let is_libc = |file: &MappedFile| file.path.ends_with("libc.so.6");
    let file = living.files().into_iter().find(is_libc).unwrap();
    let handle = open(&file).unwrap();
    let image = Image::open(&handle).unwrap();
    let mut address = None;
    image
        .each_symbol(Table::Dynamic, &mut |symbol| {
            if symbol.name == MEMCPY && symbol.kind == Kind::IndirectFunction {
                address.get_or_insert(symbol.address);
            }
        })
        .unwrap();
    Indirect { file, address: address.unwrap(), names: vec!["memcpy".into()] }
}

fn in_memory(address: u64) -> Option<u64> {
    let memory = std::fs::File::open("/proc/self/mem").unwrap();
    let mut bytes = [0; 8];
    memory.read_exact_at(&mut bytes, address).ok()?;
    Some(u64::from_le_bytes(bytes))
}

#[test]
fn what_a_process_has_bound_is_found() {
    let ours = Ours(in_memory);
    let indirect = memcpy(&ours);
    // SAFETY: a name that ends in a zero byte, looked up among what is loaded.
    let bound = unsafe { libc::dlsym(libc::RTLD_DEFAULT, c"memcpy".as_ptr()) } as u64;
    let expected = offset(&super::code_of(&ours.code(), super::key(&indirect.file)), bound);
    assert!(expected.is_some());
    let chosen = Slots::default().chosen(&indirect, Some(&ours)).unwrap();
    assert_eq!(chosen, [expected.unwrap()]);
}

#[test]
fn what_is_not_known_is_told_by_its_reason() {
    let indirect = memcpy(&Ours(in_memory));
    let mut slots = Slots::default();
    let mut untold = |living: &dyn Living, names: &[&str]| {
        let names = names.iter().map(|&name| name.to_owned()).collect();
        // A function of its own for the table of what is known.
        let address = indirect.address ^ 1 ^ slots.known.len() as u64;
        let indirect = Indirect { names, address, ..indirect.clone() };
        slots.chosen(&indirect, Some(living))
    };
    assert_eq!(untold(&Ours(in_memory), &["no_such_function"]), Err(Untold::NoSlot));
    assert_eq!(untold(&Ours(|_| Some(0)), &["memcpy"]), Err(Untold::NotBound));
    assert_eq!(untold(&Ours(|_| None), &["memcpy"]), Err(Untold::NotBound));
    assert_eq!(untold(&Ours(|_| Some(8)), &["memcpy"]), Err(Untold::Elsewhere));
    assert_eq!(slots.chosen(&indirect, None), Err(Untold::NotBegun));
}

proptest! {
    // Each reads the symbols of all files.
    #![proptest_config(ProptestConfig::with_cases(16))]

    /// Whatever a process claims, what is found lies in the code of the function's file.
    #[test]
    fn any_memory_does_no_harm(words in prop::collection::vec(any::<u64>(), 1..8), near in any::<u16>()) {
        let ours = Ours(in_memory);
        let (indirect, code) = (memcpy(&ours), ours.code());
        let own = super::code_of(&code, super::key(&indirect.file));
        let start = own[0].start;
        let claims = |address: u64| {
            let word = words[address as usize / 8 % words.len()];
            Some(if word % 2 == 0 { word } else { start.wrapping_add(u64::from(near)) })
        };
        for offset in Slots::default().chosen(&indirect, Some(&Ours(claims))).unwrap_or_default() {
            let covers = |it: &MappedCode| {
                (it.offset..it.offset + (it.end - it.start)).contains(&offset)
            };
            prop_assert!(own.iter().any(covers));
        }
    }
}
