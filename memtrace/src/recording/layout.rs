//! The bytes that frame a recording's chunks.

use super::RecordingError;
use memtrace_common::wire;

/// The first byte is none of ASCII's, so that nobody takes the file for text.
const MARK: [u8; 8] = *b"\x8bmtrace\n";
/// To be raised whenever the bytes of this folder change their meaning; those of recordings of snapshots have another
/// number, as who reads events alone has to refuse them. 1 was that of events in other columns.
const FORMAT: u16 = 3;
const SNAPSHOTS: u16 = 2;
/// To be raised whenever what snapshots are made of changes (`engine::snapshot` and all that is in it): rows have no names.
const ROWS: u16 = 3;
const CHUNK_MARK: u32 = u32::from_le_bytes(*b"chnk");

/// Most bytes of a chunk, unpacked and packed: a reader takes no more memory than a few of this, whatever a
/// file says.
pub(super) const MOST_BYTES: usize = 8 << 20;
/// Most entries of a chunk.
pub(super) const MOST_ENTRIES: u32 = 1 << 16;

/// How a recording begins: 24 bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Head {
    /// When it began, ns of `CLOCK_REALTIME` since 1970.
    pub began: u64,
    /// What it holds.
    pub kind: Kind,
}

/// What a recording holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Kind {
    /// All events.
    #[default]
    Events,
    /// Snapshots, and no events.
    Snapshots,
}

impl Kind {
    /// The versions of the format and of what is in it.
    const fn versions(self) -> (u16, u16) {
        match self {
            Self::Events => (FORMAT, wire::VERSION),
            Self::Snapshots => (SNAPSHOTS, ROWS),
        }
    }
}

impl Head {
    /// The first byte of every recording, whatever its version.
    pub const FIRST_BYTE: u8 = MARK[0];

    pub(super) const SIZE: usize = 24;

    pub(super) fn bytes(self) -> [u8; Self::SIZE] {
        let mut bytes = [0; Self::SIZE];
        bytes[..8].copy_from_slice(&MARK);
        let (format, records) = self.kind.versions();
        bytes[8..10].copy_from_slice(&format.to_le_bytes());
        bytes[10..12].copy_from_slice(&records.to_le_bytes());
        bytes[12..20].copy_from_slice(&self.began.to_le_bytes());
        let checksum = crc32fast::hash(&bytes[..20]);
        bytes[20..].copy_from_slice(&checksum.to_le_bytes());
        bytes
    }

    pub(super) fn read(bytes: &[u8; Self::SIZE]) -> Result<Self, RecordingError> {
        if bytes[..8] != MARK {
            return Err(RecordingError::Foreign);
        }
        let [format, records] = [8, 10].map(|at| u16::from_le_bytes([bytes[at], bytes[at + 1]]));
        let kind = if format == SNAPSHOTS { Kind::Snapshots } else { Kind::Events };
        if (format, records) != kind.versions() {
            let (own_format, own_records) = kind.versions();
            return Err(RecordingError::Version { format, records, own_format, own_records });
        }
        let what = "the checksum of its beginning is another one";
        let (said, checksum) = (word(bytes, 20), crc32fast::hash(&bytes[..20]));
        if said != checksum {
            return Err(RecordingError::Damaged { offset: 0, what });
        }
        Ok(Self { began: long(bytes, 12), kind })
    }
}

/// What a chunk holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Content {
    /// Entries.
    Entries,
    /// Nothing: the recording ends here, and is whole.
    End,
    /// Names that reports asked for, as JSON: no entries.
    Names = 3,
    /// Nothing: the file has reached the size that it was allowed, and its run went on.
    Limit = 2,
    /// A part of a snapshot; in place of the number of entries that of the parts that follow.
    Snapshot = 4,
    /// How snapshots were recorded, as JSON.
    Plan = 5,
}

/// How a chunk begins: 40 bytes, followed by the packed ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ChunkHead {
    pub(super) content: Content,
    /// Bytes before compression.
    pub(super) unpacked: u32,
    /// Bytes that follow.
    pub(super) packed: u32,
    pub(super) entries: u32,
    /// Earliest and latest time of its records, ns of `CLOCK_MONOTONIC`; 0 if it has none.
    pub(super) from: u64,
    pub(super) to: u64,
}

impl ChunkHead {
    pub(super) const SIZE: usize = 40;

    pub(super) fn bytes(&self, packed: &[u8]) -> [u8; Self::SIZE] {
        let mut bytes = [0; Self::SIZE];
        let words = [CHUNK_MARK, self.content as u32, self.unpacked, self.packed, self.entries];
        for (place, word) in bytes.chunks_exact_mut(4).zip(words) {
            place.copy_from_slice(&word.to_le_bytes());
        }
        bytes[20..28].copy_from_slice(&self.from.to_le_bytes());
        bytes[28..36].copy_from_slice(&self.to.to_le_bytes());
        let checksum = checksum(&bytes[..36], packed);
        bytes[36..].copy_from_slice(&checksum.to_le_bytes());
        bytes
    }

    /// What does not fit is said.
    pub(super) fn read(bytes: &[u8; Self::SIZE]) -> Result<Self, &'static str> {
        if word(bytes, 0) != CHUNK_MARK {
            return Err("no chunk begins here");
        }
        let content = match word(bytes, 4) {
            0 => Content::Entries,
            1 => Content::End,
            2 => Content::Limit,
            3 => Content::Names,
            4 => Content::Snapshot,
            5 => Content::Plan,
            _ => return Err("a chunk of an unknown kind"),
        };
        let head = Self {
            content,
            unpacked: word(bytes, 8),
            packed: word(bytes, 12),
            entries: word(bytes, 16),
            from: long(bytes, 20),
            to: long(bytes, 28),
        };
        let most = MOST_BYTES as u32;
        if head.unpacked > most || head.packed > most || head.entries > MOST_ENTRIES {
            return Err("a chunk that is larger than any that was written");
        }
        Ok(head)
    }

    /// Whether these are the bytes it was written with.
    pub(super) fn fits(bytes: &[u8; Self::SIZE], packed: &[u8]) -> bool {
        word(bytes, 36) == checksum(&bytes[..36], packed)
    }
}

fn checksum(head: &[u8], packed: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(head);
    hasher.update(packed);
    hasher.finalize()
}

fn word(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..at + 4).and_then(|word| word.try_into().ok()).map_or(0, u32::from_le_bytes)
}

fn long(bytes: &[u8], at: usize) -> u64 {
    bytes.get(at..at + 8).and_then(|long| long.try_into().ok()).map_or(0, u64::from_le_bytes)
}
