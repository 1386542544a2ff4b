//! Byte offsets of members in this kernel's structures, read from its BTF.
//!
//! aya-obj parses BTF, but keeps members to itself; the format is small
//! (`Documentation/bpf/btf.rst`).

use super::error::LiveError;
use std::collections::HashMap;
use std::path::Path;

const HEADER_BYTES: usize = 24;
const KIND_STRUCT: u32 = 4;
const KIND_UNION: u32 = 5;
/// How deep anonymous structures may nest before we stop looking.
const MAX_DEPTH: u32 = 8;

/// The kernel's types.
pub struct KernelTypes {
    bytes: Vec<u8>,
    /// Where each type begins; index 0 is void.
    types: Vec<usize>,
    strings: usize,
    structures: HashMap<String, usize>,
}

fn bad(what: &str) -> LiveError {
    LiveError::Btf(what.to_string())
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..at.checked_add(4)?)?.try_into().ok().map(u32::from_ne_bytes)
}

/// Bytes behind a type's common 12, by kind and number of members.
fn trailing_bytes(kind: u32, members: usize) -> usize {
    match kind {
        1 | 14 | 17 => 4,
        3 => 12,
        4 | 5 | 15 | 19 => 12 * members,
        6 | 13 => 8 * members,
        _ => 0,
    }
}

impl KernelTypes {
    /// Reads the running kernel's types.
    ///
    /// # Errors
    /// When the kernel was built without them, or they do not parse.
    pub fn running() -> Result<Self, LiveError> {
        let path = Path::new("/sys/kernel/btf/vmlinux");
        let bytes = std::fs::read(path).map_err(|error| LiveError::Btf(error.to_string()))?;
        Self::parse(bytes)
    }

    /// Parses raw BTF.
    ///
    /// # Errors
    /// When it is cut short or not BTF.
    pub fn parse(bytes: Vec<u8>) -> Result<Self, LiveError> {
        let field =
            |at| word(&bytes, at).map(|value| value as usize).ok_or_else(|| bad("cut short"));
        if field(0)? & 0xffff != 0xeb9f {
            return Err(bad("not BTF of this machine's byte order"));
        }
        let header = field(4)?.max(HEADER_BYTES);
        let begin = header.saturating_add(field(8)?);
        let end = begin.saturating_add(field(12)?).min(bytes.len());
        let strings = header.saturating_add(field(16)?);
        let mut parsed = Self { types: vec![0], strings, structures: HashMap::new(), bytes };
        parsed.index(begin, end)?;
        Ok(parsed)
    }

    fn index(&mut self, begin: usize, end: usize) -> Result<(), LiveError> {
        let mut at = begin;
        while at < end {
            let (kind, members) = self.kind(at).ok_or_else(|| bad("cut short"))?;
            if kind == KIND_STRUCT
                && let Some(name) = self.name(at)
            {
                self.structures.entry(name).or_insert(at);
            }
            self.types.push(at);
            at += 12 + trailing_bytes(kind, members);
        }
        Ok(())
    }

    fn kind(&self, at: usize) -> Option<(u32, usize)> {
        let info = word(&self.bytes, at + 4)?;
        Some((info >> 24 & 0x1f, (info & 0xffff) as usize))
    }

    fn name(&self, at: usize) -> Option<String> {
        let begin = self.strings.checked_add(word(&self.bytes, at)? as usize)?;
        let tail = self.bytes.get(begin..)?;
        let length = tail.iter().take(256).position(|byte| *byte == 0)?;
        (length > 0).then(|| String::from_utf8_lossy(&tail[..length]).into_owned())
    }

    /// The offset in bytes of `member` in structure `structure`, also inside anonymous members.
    ///
    /// # Errors
    /// When this kernel has no such structure or member.
    pub fn offset(&self, structure: &str, member: &str) -> Result<u64, LiveError> {
        self.structures
            .get(structure)
            .and_then(|at| self.member(*at, member, MAX_DEPTH))
            .ok_or_else(|| bad(&format!("no {structure}.{member}")))
    }

    fn member(&self, structure: usize, wanted: &str, depth: u32) -> Option<u64> {
        let bitfields = word(&self.bytes, structure + 4)? >> 31 == 1;
        let (_, members) = self.kind(structure)?;
        (0..members).find_map(|index| {
            let at = structure + 12 + 12 * index;
            let raw = u64::from(word(&self.bytes, at + 8)?);
            let offset = if bitfields { raw & 0xff_ffff } else { raw } / 8;
            match self.name(at) {
                Some(name) => (name == wanted).then_some(offset),
                None => {
                    let inner = self.anonymous(word(&self.bytes, at + 4)?)?;
                    Some(offset + self.member(inner, wanted, depth.checked_sub(1)?)?)
                }
            }
        })
    }

    /// Where an anonymous structure or union begins.
    fn anonymous(&self, id: u32) -> Option<usize> {
        let at = *self.types.get(id as usize)?;
        let (kind, _) = self.kind(at)?;
        matches!(kind, KIND_STRUCT | KIND_UNION).then_some(at)
    }
}

#[cfg(test)]
mod tests {
    use super::KernelTypes;

    #[test]
    fn the_running_kernel_has_a_pid_in_its_tasks() {
        let types = KernelTypes::running().unwrap();
        let pid = types.offset("task_struct", "pid").unwrap();
        let group = types.offset("task_struct", "tgid").unwrap();
        assert_eq!(group, pid + 4);
        assert!(types.offset("task_struct", "no_such_member").is_err());
    }

    #[test]
    fn garbage_is_refused() {
        assert!(KernelTypes::parse(vec![]).is_err());
        assert!(KernelTypes::parse(vec![0; 100]).is_err());
        let mut cut = vec![0; 24];
        cut[..2].copy_from_slice(&0xeb9f_u16.to_ne_bytes());
        cut[4] = 24;
        cut[12] = 200;
        assert!(KernelTypes::parse(cut).is_ok_and(|types| types.offset("a", "b").is_err()));
    }
}
