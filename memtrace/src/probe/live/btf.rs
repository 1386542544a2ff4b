//! Byte offsets of members in this kernel's structures and numbers of its functions, read from its BTF.
//!
//! aya-obj parses BTF, but keeps members to itself and copies every type; the format is small
//! (`Documentation/bpf/btf.rst`).

use super::error::LiveError;
use std::path::Path;

const HEADER_BYTES: usize = 24;
const KIND_STRUCT: u32 = 4;
const KIND_UNION: u32 = 5;
const KIND_FUNCTION: u32 = 12;
/// How deep anonymous structures may nest before we stop looking.
const MAX_DEPTH: u32 = 8;

/// The kernel's types.
pub struct KernelTypes {
    bytes: Vec<u8>,
    /// Where each type begins; index 0 is void.
    types: Vec<usize>,
    strings: usize,
    /// Where each structure begins.
    structures: Vec<usize>,
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
        let unreadable = |error: std::io::Error| {
            bad(&format!(
                "{error}; in a container mount sysfs there (mount -t sysfs sysfs /sys), on a host boot a \
                 kernel with CONFIG_DEBUG_INFO_BTF"
            ))
        };
        let bytes = std::fs::read(path).map_err(unreadable)?;
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
        let mut parsed = Self { types: vec![0], strings, structures: Vec::new(), bytes };
        parsed.index(begin, end)?;
        Ok(parsed)
    }

    fn index(&mut self, begin: usize, end: usize) -> Result<(), LiveError> {
        let mut at = begin;
        while at < end {
            let (kind, members) = self.kind(at).ok_or_else(|| bad("cut short"))?;
            if kind == KIND_STRUCT {
                self.structures.push(at);
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

    /// The number of a function of the kernel; `None` if it has none of this name.
    #[must_use]
    pub fn function(&self, name: &str) -> Option<u32> {
        let is_it = |at: &usize| {
            self.is_named(*at, name)
                && self.kind(*at).is_some_and(|(kind, _)| kind == KIND_FUNCTION)
        };
        // Index 0 is void, which has no bytes.
        let index = 1 + self.types.get(1..)?.iter().position(is_it)?;
        u32::try_from(index).ok()
    }

    fn is_named(&self, at: usize, wanted: &str) -> bool {
        let begin = word(&self.bytes, at).map(|name| self.strings.saturating_add(name as usize));
        let tail = begin.and_then(|begin| self.bytes.get(begin..)).unwrap_or_default();
        tail.strip_prefix(wanted.as_bytes()).is_some_and(|rest| rest.first() == Some(&0))
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
        let mut structures = self.structures.iter();
        structures
            .find(|at| self.is_named(**at, structure))
            .and_then(|at| self.member(*at, member, MAX_DEPTH))
            .ok_or_else(|| bad(&format!("no {structure}.{member}")))
    }

    /// The size in bytes of structure `structure`.
    ///
    /// # Errors
    /// When this kernel has no such structure.
    pub fn size(&self, structure: &str) -> Result<u64, LiveError> {
        let mut structures = self.structures.iter();
        structures
            .find(|at| self.is_named(**at, structure))
            .and_then(|at| word(&self.bytes, at + 8))
            .map(u64::from)
            .ok_or_else(|| bad(&format!("no {structure}")))
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
        assert!(types.size("task_struct").unwrap() > group);
        assert!(types.size("no_such_structure").is_err());
        assert!(types.offset("task_struct", "no_such_member").is_err());
        assert!(types.offset("no_such_structure", "pid").is_err());
    }

    /// By the numbers that aya's own reader gives them.
    #[test]
    fn functions_have_the_kernels_numbers() {
        let types = KernelTypes::running().unwrap();
        let all = aya_obj::btf::Btf::from_sys_fs().unwrap();
        for name in ["vfs_read", "do_exit"] {
            let number = all.id_by_type_name_kind(name, aya_obj::btf::BtfKind::Func).unwrap();
            assert_eq!(types.function(name), Some(number));
        }
        assert_eq!(types.function("no_such_function"), None);
        assert_eq!(types.function("task_struct"), None);
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
