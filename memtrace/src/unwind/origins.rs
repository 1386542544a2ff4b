//! Where a C library without unwinding information begins programs and threads (musl's has none).
//!
//! There its start code calls `main`, or a thread's first function, and at once hands the result to
//! `exit` or `pthread_exit`: `exit(main(argc, argv, environ))` (musl, `src/env/__libc_start_main.c`) and
//! `__pthread_exit(self->start(self->start_arg))` (`src/thread/pthread_create.c`). What does so in the
//! file that defines `__libc_start_main` has called the outermost function that anybody asks for. The
//! return address of that call ends a walk; it is looked up by the call's last byte.

use super::collect::{Change, Collected, Function};
use super::elf::Image;
use iced_x86::{Decoder, DecoderOptions, FlowControl};
use memtrace_common::unwind::Rule;
use object::LittleEndian;
use object::elf::{FileHeader64, SHT_DYNSYM, SHT_SYMTAB};
use object::read::ReadRef;
use object::read::elf::{FileHeader as _, Sym as _};

/// Most code that is searched, bytes; musl's has 400 KB.
const MAX_TEXT: u64 = 8 << 20;
/// Most symbols that are looked at; glibc's C library, which needs none of this, has 3,000.
const MAX_SYMBOLS: usize = 1 << 16;

/// `mov %eax,%edi` and `mov %rax,%rdi`, each with the operation code of a near call behind it.
const HANDED_ON: [&[u8]; 2] = [&[0x89, 0xc7, 0xe8], &[0x48, 0x89, 0xc7, 0xe8]];
/// The longest indirect call that compilers make, bytes: a prefix, the code, a form, a base, a distance.
const MAX_CALL: usize = 8;

/// Ends walks behind the calls that begin programs and threads, if the file is such a C library.
pub(super) fn add<'data, R: ReadRef<'data>>(image: &Image<'data>, data: R, found: &mut Collected) {
    let Some(endings) = endings(image, data) else { return };
    let is_covered = |offset: u64, found: &Collected| {
        let covers = |it: &Function| (u64::from(it.start)..it.end).contains(&offset);
        found.functions.iter().any(covers)
    };
    if endings.iter().all(|offset| is_covered(*offset, found)) {
        return;
    }
    let length = image.text.end - image.text.start;
    let Ok(text) = data.read_bytes_at(image.text.start, length.min(MAX_TEXT)) else { return };
    for inside in calls(text, image.text.start, &endings) {
        let last = image.text.start + inside as u64 - 1;
        if let Ok(start) = u32::try_from(last)
            && !is_covered(last, found)
        {
            found.outermost(start);
        }
    }
}

/// Where `exit` and `pthread_exit` begin in a file that defines `__libc_start_main`.
fn endings<'data, R: ReadRef<'data>>(image: &Image<'data>, data: R) -> Option<Vec<u64>> {
    const LE: LittleEndian = LittleEndian;
    let header = FileHeader64::<LittleEndian>::parse(data).ok()?;
    let sections = header.sections(LE, data).ok()?;
    let mut is_library = false;
    let mut endings = Vec::new();
    for kind in [SHT_DYNSYM, SHT_SYMTAB] {
        let Ok(table) = sections.symbols(LE, data, kind) else { continue };
        for symbol in table.iter().take(MAX_SYMBOLS).filter(|symbol| !symbol.is_undefined(LE)) {
            match table.symbol_name(LE, symbol) {
                Ok(b"__libc_start_main") => is_library = true,
                Ok(b"exit" | b"pthread_exit" | b"__pthread_exit") => {
                    endings.extend(image.offsets(symbol.st_value(LE), 1).map(|place| place.start));
                }
                _ => {}
            }
        }
    }
    (is_library && !endings.is_empty()).then_some(endings)
}

/// Indexes of the bytes behind indirect calls whose results are handed to one of `endings`. `text` is at
/// `start` in the file.
fn calls(text: &[u8], start: u64, endings: &[u64]) -> Vec<usize> {
    let is_handed_on = |at: usize| {
        HANDED_ON.iter().any(|bytes| {
            let distance = at + bytes.len();
            let Some(words) = text.get(distance..distance + 4) else { return false };
            let Ok(words) = <[u8; 4]>::try_from(words) else { return false };
            let from = start + distance as u64 + 4;
            let target = from.wrapping_add_signed(i32::from_le_bytes(words).into());
            text[at..].starts_with(bytes) && endings.contains(&target)
        })
    };
    (1..text.len()).filter(|at| is_handed_on(*at) && ends_indirect_call(&text[..*at])).collect()
}

/// Whether the last bytes are an indirect call.
fn ends_indirect_call(code: &[u8]) -> bool {
    (2..=MAX_CALL.min(code.len())).any(|length| {
        let bytes = &code[code.len() - length..];
        let instruction = Decoder::new(64, bytes, DecoderOptions::NONE).decode();
        instruction.len() == length && instruction.flow_control() == FlowControl::IndirectCall
    })
}

impl Collected {
    /// The byte at `start` belongs to a call whose return address is in an outermost function.
    fn outermost(&mut self, start: u32) {
        let first = self.changes.len() as u32;
        let rule = self.rules.intern(Rule::END);
        self.changes.push(Change { offset: start, rule });
        let (end, changes) = (u64::from(start) + 1, first..first + 1);
        self.functions.push(Function { start, end, changes, entry: 0 });
    }
}

#[cfg(test)]
mod tests {
    use super::calls;

    #[test]
    fn results_that_are_handed_to_the_end_are_found() {
        let text = [
            0xff, 0xd3, 0x89, 0xc7, 0xe8, 0x10, 0, 0,
            0, // call *%rbx; mov %eax,%edi; call +16
            0xff, 0x13, 0x48, 0x89, 0xc7, 0xe8, 0x06, 0, 0,
            0, // call *(%rbx); mov %rax,%rdi; call +6
            0x90, 0x90, 0x89, 0xc7, 0xe8, 0xff, 0xff, 0xff, 0xff, // nop; nop; mov; call -1
        ];
        let (start, end) = (0x1000, 0x1000 + 9 + 16);
        assert_eq!(calls(&text, start, &[end]), [2, 11]);
        assert_eq!(calls(&text, start, &[end + 1, end + 3]), [0_usize; 0]);
        assert_eq!(calls(&text, start, &[start + text.len() as u64 - 1]), [0_usize; 0]);
    }
}
