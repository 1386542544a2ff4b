//! What the kernel side needs to decide by itself whether a process that executes a program is one that is
//! looked for: patterns of names in a form that takes no branches, and facts to look up.

/// Bytes of a task's name with the zero behind it: `TASK_COMM_LEN` of `linux/sched.h`.
pub const COMM_LENGTH: usize = 16;

/// Patterns of names that fit.
pub const MAX_NAME_PATTERNS: usize = WORDS * LANES;

/// Most parts of a pattern that are not `*`: as many as a name has bytes.
pub const MAX_PATTERN_PARTS: usize = COMM_LENGTH - 1;

/// Facts to look up, all together.
pub const MAX_CRITERIA: u32 = 1024;

/// Control groups, one in the other, that are looked at from the innermost outwards.
pub const MAX_GROUP_DEPTH: usize = 16;

const WORDS: usize = 2;
const LANES: usize = 4;
const LANE_BITS: usize = 16;

/// What a process satisfies. Kinds of selectors are combined by *and*: all that are required must be there.
pub mod satisfied {
    /// Its name is like one of those wanted.
    pub const COMM: u64 = 1;
    /// It runs a program that is wanted.
    pub const EXE: u64 = 1 << 1;
    /// Its real user is one of those wanted.
    pub const UID: u64 = 1 << 2;
    /// It is in a control group that is wanted.
    pub const CGROUP: u64 = 1 << 3;
    /// It is in a container that is wanted.
    pub const CONTAINER: u64 = 1 << 4;
    /// It is in a pod that is wanted.
    pub const POD: u64 = 1 << 5;
    /// What is wanted is known at all.
    pub const DECIDABLE: u64 = 1 << 62;
    /// It is not meant, whatever else it satisfies.
    pub const EXCLUDED: u64 = 1 << 63;

    /// Whether a process that satisfies this much is meant.
    #[must_use]
    #[inline(always)]
    pub const fn is_meant(satisfied: u64, required: u64) -> bool {
        required & DECIDABLE != 0
            && (satisfied | DECIDABLE) & required == required
            && satisfied & EXCLUDED == 0
    }
}

/// A fact that a process may have; which bits of [`satisfied`] it brings is the value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(C)]
pub struct Criterion {
    /// One of the constants.
    pub kind: u64,
    /// The number; of a file the device, as in [`crate::wire::Exec`].
    pub number: u64,
    /// Of a file the inode; else 0.
    pub inode: u64,
}

impl Criterion {
    /// Real user id, of the initial user namespace.
    #[must_use]
    #[inline(always)]
    pub const fn user(id: u32) -> Self {
        Self { kind: 1, number: id as u64, inode: 0 }
    }

    /// The program's file.
    #[must_use]
    #[inline(always)]
    pub const fn file(device: u64, inode: u64) -> Self {
        Self { kind: 2, number: device, inode }
    }

    /// A control group of version 2 that it is in, or in one below.
    #[must_use]
    #[inline(always)]
    pub const fn group(id: u64) -> Self {
        Self { kind: 3, number: id, inode: 0 }
    }

    /// Thread-group id.
    #[must_use]
    #[inline(always)]
    pub const fn process(id: u32) -> Self {
        Self { kind: 4, number: id as u64, inode: 0 }
    }
}

/// Part of a pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// This byte.
    Byte(u8),
    /// Any byte: `?`.
    One,
    /// Any bytes: `*`.
    Many,
}

/// Up to [`MAX_NAME_PATTERNS`] patterns, matched all at once: each has a lane of 16 bits, and bit *n* of a
/// lane says that its first *n* parts have matched so far (Baeza-Yates and Gonnet, "A new approach to text
/// searching", 1992; a `*` is a state that keeps itself).
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct NamePatterns {
    /// By the next byte: parts that it satisfies.
    accepts: [[u64; WORDS]; 256],
    /// Parts behind a `*`: reached once, they wait.
    stays: [u64; WORDS],
    /// Nothing has matched yet.
    begins: [u64; WORDS],
    /// All parts have.
    ends: [u64; WORDS],
}

impl Default for NamePatterns {
    fn default() -> Self {
        Self { accepts: [[0; WORDS]; 256], stays: [0; WORDS], begins: [0; WORDS], ends: [0; WORDS] }
    }
}

impl NamePatterns {
    /// Adds a pattern as number `number`. `false`: it has too many parts, or the number does not fit.
    pub fn add(&mut self, number: usize, pattern: &[Part]) -> bool {
        let parts = pattern.iter().filter(|part| **part != Part::Many).count();
        if number >= MAX_NAME_PATTERNS || parts > MAX_PATTERN_PARTS {
            return false;
        }
        let (word, lane) = (number / LANES, number % LANES * LANE_BITS);
        let mut at = 1 << lane;
        self.begins[word] |= at;
        for part in pattern {
            match part {
                Part::Many => {
                    self.stays[word] |= at;
                    continue;
                }
                Part::One => self.accepts.iter_mut().for_each(|accepts| accepts[word] |= at),
                Part::Byte(byte) => self.accepts[usize::from(*byte)][word] |= at,
            }
            at <<= 1;
        }
        self.ends[word] |= at;
        true
    }

    /// Whether one of them matches a name, which ends at the first zero and has nothing but zeros behind.
    #[must_use]
    #[inline(always)]
    pub fn matches(&self, name: &[u8; COMM_LENGTH]) -> bool {
        let mut state = self.begins;
        for byte in *name {
            // All ones if the name goes on. No branches: a verifier follows both ways of each.
            let goes_on = ((byte as u64).wrapping_neg() as i64 >> 63) as u64;
            let accepts = &self.accepts[byte as usize];
            for word in 0..WORDS {
                // At most bit 14 of a lane is accepted, so that none gets into the next lane.
                let next = (state[word] & accepts[word]) << 1 | state[word] & self.stays[word];
                state[word] = next & goes_on | state[word] & !goes_on;
            }
        }
        (state[0] & self.ends[0]) | (state[1] & self.ends[1]) != 0
    }
}

/// What is looked for, as far as the kernel side can tell.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct Admission {
    /// What must be [`satisfied`]; 0: user space decides.
    pub required: u64,
    /// Names that are wanted.
    pub wanted: NamePatterns,
    /// Names that are not.
    pub excluded: NamePatterns,
}

/// Body of [`crate::wire::Kind::Admitted`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Admitted {
    /// When the process started, ns after boot (`CLOCK_BOOTTIME`).
    pub started: u64,
    /// The program's file, as in [`crate::wire::Exec`].
    pub device: u64,
    /// Its inode; 0: not known.
    pub inode: u64,
    /// The process's name, zeros behind it.
    pub comm: [u8; COMM_LENGTH],
    /// Its real user.
    pub user: u32,
    /// 0.
    pub reserved: u32,
}

const _: () = {
    assert!(size_of::<Admitted>() == 48);
    assert!(size_of::<Criterion>() == 24);
    assert!(size_of::<Admission>() == 8 + 2 * (256 + 3) * 16);
};

#[cfg(test)]
mod tests {
    use super::{COMM_LENGTH, MAX_NAME_PATTERNS, NamePatterns, Part, satisfied};

    fn parts(text: &str) -> Vec<Part> {
        let part = |byte| match byte {
            b'*' => Part::Many,
            b'?' => Part::One,
            byte => Part::Byte(byte),
        };
        text.bytes().map(part).collect()
    }

    fn name(text: &str) -> [u8; COMM_LENGTH] {
        let mut name = [0; COMM_LENGTH];
        name[..text.len()].copy_from_slice(text.as_bytes());
        name
    }

    fn patterns(texts: &[&str]) -> NamePatterns {
        let mut patterns = NamePatterns::default();
        for (number, text) in texts.iter().enumerate() {
            assert!(patterns.add(number, &parts(text)));
        }
        patterns
    }

    #[test]
    fn whole_names_match() {
        for (pattern, text, matches) in [
            ("nginx", "nginx", true),
            ("nginx", "nginxx", false),
            ("nginx", "ngin", false),
            ("ngin?", "nginx", true),
            ("*", "", true),
            ("", "a", false),
            ("a*b*c", "aXbYbZc", true),
            ("a*b*c", "aXbYbZ", false),
            ("*ab", "aab", true),
            ("???????????????", "123456789012345", true),
            ("123456789012345", "123456789012345", true),
            ("12345678901234*", "123456789012345", true),
        ] {
            assert_eq!(patterns(&[pattern]).matches(&name(text)), matches, "{pattern} {text}");
        }
    }

    #[test]
    fn patterns_do_not_disturb_each_other() {
        let texts = ["123456789012345", "?????", "b*", "*c", "d", "e?e", "f*f", "g"];
        let all = patterns(&texts);
        for name_text in ["123456789012345", "abcde", "b", "c", "d", "eee", "fxf", "g", "h", "ee"] {
            let one = texts.iter().any(|text| patterns(&[text]).matches(&name(name_text)));
            assert_eq!(all.matches(&name(name_text)), one, "{name_text}");
        }
        assert!(!NamePatterns::default().matches(&name("")));
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let mut none = NamePatterns::default();
        assert!(!none.add(MAX_NAME_PATTERNS, &parts("a")));
        assert!(!none.add(0, &parts("1234567890123456")));
        assert!(!none.matches(&name("a")));
    }

    #[test]
    fn all_kinds_are_required_and_none_excluded() {
        use satisfied::{COMM, DECIDABLE, EXCLUDED, UID, is_meant};
        assert!(is_meant(0, DECIDABLE) && is_meant(COMM, DECIDABLE));
        assert!(is_meant(COMM | UID, DECIDABLE | COMM | UID));
        assert!(!is_meant(COMM, DECIDABLE | COMM | UID));
        assert!(!is_meant(COMM | EXCLUDED, DECIDABLE | COMM));
        assert!(!is_meant(COMM, COMM) && !is_meant(u64::MAX, 0));
    }
}
