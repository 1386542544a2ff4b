//! Identities of call stacks that mean the same in every run and on every machine.

use crate::model::frame::Frame;
use crate::model::ids::ModuleId;
use crate::model::module::Module;
use std::fmt;
use std::sync::Arc;

/// A call stack's identity.
///
/// FNV-1a (64 bits; Fowler, Noll, Vo: offset basis `cbf29ce484222325`, prime `100000001b3`) over:
/// the allocator function's name and a zero byte; then for every frame in a file one byte 1 (a
/// build-id follows), or 2 (a file name follows, for files without build-id), the length of that
/// identity (one byte, file names cut at 255), its bytes, and the file offset as 8 bytes, little
/// end first; for a frame outside files one byte 0 and the address, likewise. Addresses differ from
/// run to run, so a stack with such frames (generated code) has another identity in each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StackDigest(pub u64);

impl StackDigest {
    /// The identity of `function` called through `frames`, whose modules `modules` has by number.
    pub(super) fn of(function: &str, frames: &[Frame], modules: &[Arc<Module>]) -> Self {
        let mut hash = Fnv::default();
        hash.add(function.as_bytes());
        hash.add(&[0]);
        for frame in frames {
            match *frame {
                Frame::Unmapped(address) => hash.place(&[0], address),
                Frame::InFile { module, offset } => {
                    hash.file(module_of(modules, module));
                    hash.place(&[], offset);
                }
            }
        }
        Self(hash.0)
    }

    /// The first twelve hex digits, which text reports show.
    #[must_use]
    pub fn short(self) -> String {
        self.to_string()[..12].to_owned()
    }
}

impl fmt::Display for StackDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// The module with this number.
pub(super) fn module_of(modules: &[Arc<Module>], id: ModuleId) -> Option<&Arc<Module>> {
    modules.get(id.0 as usize)
}

struct Fnv(u64);

impl Default for Fnv {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Fnv {
    fn add(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }

    fn place(&mut self, tag: &[u8], place: u64) {
        self.add(tag);
        self.add(&place.to_le_bytes());
    }

    fn file(&mut self, module: Option<&Arc<Module>>) {
        match module.and_then(|module| module.build_id.as_ref()) {
            Some(build_id) => self.identity(1, build_id.bytes()),
            None => self.identity(2, module.map_or_else(String::new, |m| m.name()).as_bytes()),
        }
    }

    fn identity(&mut self, tag: u8, bytes: &[u8]) {
        let length = bytes.len().min(usize::from(u8::MAX));
        self.add(&[tag, length as u8]);
        self.add(&bytes[..length]);
    }
}

#[cfg(test)]
mod tests {
    use super::{Fnv, StackDigest};
    use crate::model::frame::Frame;
    use crate::model::ids::ModuleId;
    use crate::model::module::{BuildId, Module};
    use std::path::PathBuf;
    use std::sync::Arc;

    fn module(id: u32, path: &str, build_id: &[u8]) -> Arc<Module> {
        let build_id = BuildId::new(build_id);
        Arc::new(Module { id: ModuleId(id), path: PathBuf::from(path), build_id })
    }

    fn in_file(module: u32, offset: u64) -> Frame {
        Frame::InFile { module: ModuleId(module), offset }
    }

    #[test]
    fn the_hash_is_fnv_1a() {
        let mut hash = Fnv::default();
        hash.add(b"foobar");
        assert_eq!(hash.0, 0x8594_4171_f739_67e8);
    }

    #[test]
    fn numbers_and_paths_do_not_matter_but_build_ids_do() {
        let here = [module(0, "/usr/bin/a", &[1, 2, 3])];
        let there = [module(0, "/x", &[9]), module(1, "/opt/b", &[1, 2, 3])];
        let of = |function, frames: &[Frame], modules: &[Arc<Module>]| {
            StackDigest::of(function, frames, modules)
        };
        let one = of("malloc", &[in_file(0, 16)], &here);
        assert_eq!(one, of("malloc", &[in_file(1, 16)], &there));
        assert_ne!(one, of("malloc", &[in_file(0, 16)], &there));
        assert_ne!(one, of("calloc", &[in_file(0, 16)], &here));
        assert_ne!(one, of("malloc", &[in_file(0, 17)], &here));
        assert_ne!(one, of("malloc", &[in_file(0, 16), in_file(0, 16)], &here));
        assert_eq!(one.to_string(), "6aff30f011fd4a5d", "stable across versions of memtrace");
    }

    #[test]
    fn unknown_modules_and_addresses_are_hashed_too() {
        let digest = |frame| StackDigest::of("malloc", &[frame], &[]);
        assert_ne!(digest(in_file(5, 1)), digest(in_file(5, 2)));
        assert_ne!(digest(Frame::Unmapped(1)), digest(Frame::Unmapped(2)));
        assert_ne!(digest(Frame::Unmapped(1)), digest(in_file(5, 1)));
    }
}
