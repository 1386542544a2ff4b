//! ELF reading, on this test program itself and on garbage.

use super::{Binding, ElfError, Image, Kind, Source, Table};
use proptest::prelude::{any, prop_assert, proptest};
use std::fs::File;

fn own() -> File {
    File::open("/proc/self/exe").unwrap()
}

/// Calls everything that reads.
fn read_all(source: &[u8]) -> Result<usize, ElfError> {
    let image = Image::open(source)?;
    let mut seen = 0;
    for table in [Table::Dynamic, Table::Static] {
        let _ = image.each_symbol(table, &mut |_| seen += 1);
    }
    let _ = (image.needed(), image.soname(), image.slots(), image.build_id());
    let _ = (image.interpreter(), image.is_static(), image.code(0, 64));
    for section in image.sections() {
        let _ = image.section_bytes(section, 1 << 16);
    }
    Ok(seen)
}

#[test]
fn a_real_program_reads() {
    let file = own();
    let image = Image::open(&file).unwrap();
    assert!(image.is_program() && !image.is_static());
    assert!(image.needed().unwrap().iter().any(|name| name.starts_with("libc.so")));
    assert!(image.slots().unwrap().values().any(|name| name == "malloc" || name == "memcpy"));
    let mut main = None;
    image
        .each_symbol(Table::Static, &mut |symbol| {
            if symbol.name == b"main" && symbol.kind == Kind::Function {
                main = Some((symbol.address, symbol.size, symbol.binding));
            }
        })
        .unwrap();
    let (address, size, binding) = main.unwrap();
    assert_eq!(binding, Binding::Global);
    assert_eq!(image.code(address, size as usize).len() as u64, size);
    assert!(image.file_offset(address).is_some());
    assert_eq!(image.file_offset(u64::MAX), None);
}

#[test]
fn what_is_no_elf_says_so() {
    let short: &[u8] = b"\x7fELF";
    assert!(matches!(Image::open(short), Err(ElfError::Io { .. })));
    let text = [b'x'; 100];
    assert!(matches!(Image::open(&text[..]), Err(ElfError::NotElf)));
    let mut foreign = first_bytes(64);
    foreign[4] = 1;
    assert!(matches!(Image::open(&foreign[..]), Err(ElfError::Foreign)));
}

#[test]
fn a_forged_size_takes_no_memory() {
    // A section header table of one entry that says the names have 2^40 bytes.
    let mut bytes = first_bytes(64);
    bytes[40..48].copy_from_slice(&64_u64.to_le_bytes());
    bytes[56..64].copy_from_slice(&[0, 0, 64, 0, 1, 0, 0, 0]);
    let mut section = [0_u8; 64];
    section[32..40].copy_from_slice(&(1_u64 << 40).to_le_bytes());
    bytes.extend(section);
    assert!(matches!(Image::open(&bytes[..]), Err(ElfError::TooLarge { .. })));
}

fn first_bytes(count: usize) -> Vec<u8> {
    let mut bytes = vec![0; count];
    Source::read_exact_at(&own(), &mut bytes, 0).unwrap();
    bytes
}

proptest! {
    #[test]
    fn garbage_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = read_all(&bytes);
        let mut with_magic = first_bytes(20);
        with_magic.extend(bytes);
        let _ = read_all(&with_magic);
    }

    #[test]
    fn damaged_headers_never_panic(at in 16_usize..64, value in any::<u8>()) {
        let mut bytes = small_library();
        bytes[at] = value;
        let _ = read_all(&bytes);
    }

    #[test]
    fn damaged_tables_never_panic(places in proptest::collection::vec((any::<u16>(), any::<u8>()), 1..40)) {
        let mut bytes = small_library();
        let whole = bytes.len();
        for (at, value) in places {
            let at = 64 + usize::from(at) % (whole - 64);
            bytes[at] = value;
        }
        prop_assert!(read_all(&bytes).unwrap_or(0) <= 10);
    }
}

/// A hand-made library with one dynamic symbol, `f` at 0x1000, and one slot for it.
fn small_library() -> Vec<u8> {
    let mut bytes = first_bytes(64);
    let mut tables = Vec::new();
    // 0: none; 1: names; 2: dynsym; 3: dynamic; 4: rela.
    let names = (64_u64, 8_u64);
    tables.extend(*b"\0f\0libx\0");
    let symbols = (64 + tables.len() as u64, 48_u64);
    tables.extend([0; 24]);
    tables.extend([1, 0, 0, 0, 0x12, 0, 1, 0]);
    tables.extend(0x1000_u64.to_le_bytes());
    tables.extend(16_u64.to_le_bytes());
    let dynamic = (64 + tables.len() as u64, 32_u64);
    for word in [1_u64, 3, 0, 0] {
        tables.extend(word.to_le_bytes());
    }
    let relocations = (64 + tables.len() as u64, 24_u64);
    for word in [0x2000_u64, 1 << 32 | 7, 0] {
        tables.extend(word.to_le_bytes());
    }
    bytes.extend(&tables);
    let headers = bytes.len() as u64;
    let sections = [(0, (0, 0)), (3, names), (11, symbols), (6, dynamic), (4, relocations)];
    for (kind, (offset, size)) in sections {
        bytes.extend([0, 0, 0, 0]);
        bytes.extend(u32::to_le_bytes(kind));
        bytes.extend([0; 16]);
        bytes.extend(u64::to_le_bytes(offset));
        bytes.extend(u64::to_le_bytes(size));
        bytes.extend([1, 0, 0, 0, 0, 0, 0, 0]);
        bytes.extend([0; 16]);
    }
    bytes[40..48].copy_from_slice(&headers.to_le_bytes());
    bytes[56..64].copy_from_slice(&[0, 0, 64, 0, 5, 0, 1, 0]);
    bytes
}

#[test]
fn a_small_library_reads() {
    let bytes = small_library();
    let image = Image::open(&bytes[..]).unwrap();
    let mut symbols = Vec::new();
    image
        .each_symbol(Table::Dynamic, &mut |symbol| {
            symbols.push((symbol.name.to_vec(), symbol.address, symbol.size));
        })
        .unwrap();
    assert_eq!(symbols, [(b"f".to_vec(), 0x1000, 16)]);
    assert_eq!(image.needed().unwrap(), ["libx"]);
    assert_eq!(image.slots().unwrap().into_iter().collect::<Vec<_>>(), [(0x2000, "f".into())]);
}
