//! Small ELF files with code, data, and whatever notes.

/// Virtual address of the code.
pub(super) const CODE: u64 = 0x1000;
/// Virtual address of the data.
pub(super) const DATA: u64 = 0x3000;
/// Where in the code the nop is.
pub(super) const NOP: u64 = 1;

const HEADER: usize = 64;
const SEGMENT: usize = 56;
const NAMES: &[u8] = b"\0.note.stapsdt\0.stapsdt.base\0.names\0";
const NOTES_NAME: u32 = 1;
const BASE_NAME: u32 = 15;
const NAMES_NAME: u32 = 29;
/// `push %rax; nop; ret`.
const INSTRUCTIONS: [u8; 3] = [0x50, 0x90, 0xc3];
const BYTES_OF_DATA: [u8; 4] = [0; 4];

/// A file to be.
#[derive(Default)]
pub(super) struct Forged {
    /// What is in `.note.stapsdt`.
    pub(super) notes: Vec<u8>,
    /// Where `.stapsdt.base` is, if there is one.
    pub(super) base: Option<u64>,
}

impl Forged {
    pub(super) const fn code_offset(&self) -> u64 {
        (HEADER + 2 * SEGMENT) as u64
    }

    pub(super) const fn data_offset(&self) -> u64 {
        self.code_offset() + INSTRUCTIONS.len() as u64
    }

    pub(super) fn bytes(&self) -> Vec<u8> {
        let names = self.data_offset() + BYTES_OF_DATA.len() as u64;
        let notes = names + NAMES.len() as u64;
        let sections = notes + self.notes.len() as u64;
        let mut bytes = self.header(sections);
        bytes.extend(segment(5, self.code_offset(), CODE, INSTRUCTIONS.len() as u64));
        bytes.extend(segment(6, self.data_offset(), DATA, BYTES_OF_DATA.len() as u64));
        bytes.extend(INSTRUCTIONS);
        bytes.extend(BYTES_OF_DATA);
        bytes.extend(NAMES);
        bytes.extend(&self.notes);
        bytes.extend(section(NAMES_NAME, 3, 0, names, NAMES.len() as u64));
        bytes.extend(section(NOTES_NAME, 7, 0, notes, self.notes.len() as u64));
        if let Some(base) = self.base {
            bytes.extend(section(BASE_NAME, 1, base, self.code_offset(), 1));
        }
        bytes
    }

    fn header(&self, sections: u64) -> Vec<u8> {
        let count: u16 = 2 + u16::from(self.base.is_some());
        let mut bytes = b"\x7fELF\x02\x01\x01".to_vec();
        bytes.resize(16, 0);
        halves(&mut bytes, &[3, 62]);
        words(&mut bytes, &[1]);
        longs(&mut bytes, &[0, HEADER as u64, sections]);
        words(&mut bytes, &[0]);
        halves(&mut bytes, &[HEADER as u16, SEGMENT as u16, 2, 64, count, 0]);
        bytes
    }
}

fn segment(flags: u32, offset: u64, address: u64, size: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    words(&mut bytes, &[1, flags]);
    longs(&mut bytes, &[offset, address, address, size, size, 1]);
    bytes
}

fn section(name: u32, kind: u32, address: u64, offset: u64, size: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    words(&mut bytes, &[name, kind]);
    longs(&mut bytes, &[0, address, offset, size]);
    words(&mut bytes, &[0, 0]);
    longs(&mut bytes, &[1, 0]);
    bytes
}

/// A note with the probe's address, the base's and the semaphore's.
pub(super) fn note(provider: &str, name: &str, addresses: [u64; 3], arguments: &str) -> Vec<u8> {
    let mut description = Vec::new();
    longs(&mut description, &addresses);
    for text in [provider, name, arguments] {
        description.extend(text.as_bytes());
        description.push(0);
    }
    let mut bytes = Vec::new();
    words(&mut bytes, &[8, description.len() as u32, 3]);
    bytes.extend(b"stapsdt\0");
    bytes.extend(&description);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

fn halves(bytes: &mut Vec<u8>, numbers: &[u16]) {
    bytes.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
}

fn words(bytes: &mut Vec<u8>, numbers: &[u32]) {
    bytes.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
}

fn longs(bytes: &mut Vec<u8>, numbers: &[u64]) {
    bytes.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
}
