//! Hand-written code of a C library without unwinding information (musl's has none): where it begins
//! programs and threads, and where signal handlers return to.
//!
//! For a beginning, its start code calls `main`, or a thread's first function, and at once hands the
//! result to `exit` or `pthread_exit`: `exit(main(argc, argv, environ))` (musl,
//! `src/env/__libc_start_main.c`) and `__pthread_exit(self->start(self->start_arg))`
//! (`src/thread/pthread_create.c`). What does so in the file that defines `__libc_start_main` has called
//! the outermost function that anybody asks for. The return address of that call ends a walk; it is
//! looked up by the call's last byte.
//!
//! Signal handlers return to two instructions, a system call with the number of `rt_sigreturn`, by which
//! debuggers know them, too.

use super::collect::{Change, Collected, Function};
use super::elf::Image;
use iced_x86::{Decoder, DecoderOptions, FlowControl};
use memtrace_common::unwind::Rule;
use object::LittleEndian;
use object::elf::{FileHeader64, SHT_DYNSYM, SHT_SYMTAB, Sym64};
use object::read::elf::{FileHeader as _, SectionHeader as _, Sym as _};
use object::read::{ReadRef, SectionIndex};
use std::ops::Range;

type Header = FileHeader64<LittleEndian>;
type Symbol = Sym64<LittleEndian>;

const LE: LittleEndian = LittleEndian;

/// What ends a program or a thread.
const ENDINGS: [&[u8]; 3] = [b"exit\0", b"pthread_exit\0", b"__pthread_exit\0"];

/// Most code that is searched, bytes; musl's has 400 KB.
const MAX_TEXT: u64 = 8 << 20;
/// Longest table of symbols, or of their names, that is looked at, bytes; musl's have 41 and 15 KB.
const MAX_SYMBOLS: u64 = 2 << 20;
/// Most places of either kind that are taken; musl has three.
const MAX_PLACES: usize = 64;

/// `mov %eax,%edi` and `mov %rax,%rdi`, each with the operation code of a near call behind it.
const HANDED_ON: [&[u8]; 2] = [&[0x89, 0xc7, 0xe8], &[0x48, 0x89, 0xc7, 0xe8]];
/// The longest indirect call that compilers make, bytes: a prefix, the code, a form, a base, a distance.
const MAX_CALL: usize = 8;

/// `mov $15,%rax` or `mov $15,%eax`, and `syscall`.
const SIGNAL_RETURNS: [&[u8]; 2] =
    [&[0x48, 0xc7, 0xc0, 15, 0, 0, 0, 0x0f, 0x05], &[0xb8, 15, 0, 0, 0, 0x0f, 0x05]];

/// Adds rules for both, if the file is such a C library: ends walks behind the calls that begin
/// programs and threads, and leads them to what a signal interrupted.
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
    let calls = calls(text, image.text.start, &endings);
    let ends = calls.into_iter().map(|behind| (behind - 1..behind, Rule::END));
    let signals = signal_returns(text).into_iter().map(|range| (range, Rule::SIGNAL));
    for (range, rule) in ends.chain(signals) {
        let first = image.text.start + range.start as u64;
        if let Ok(start) = u32::try_from(first)
            && !is_covered(first, found)
        {
            found.add(start, range.len() as u32, rule);
        }
    }
}

/// Where `exit` and `pthread_exit` begin in a file that defines `__libc_start_main`.
fn endings<'data, R: ReadRef<'data>>(image: &Image<'data>, data: R) -> Option<Vec<u64>> {
    let header = Header::parse(data).ok()?;
    let sections = header.sections(LE, data).ok()?;
    let mut is_library = false;
    let mut endings = Vec::new();
    let tables = sections.iter().filter(|it| matches!(it.sh_type(LE), SHT_DYNSYM | SHT_SYMTAB));
    for table in tables.take(2) {
        let names = sections.section(SectionIndex(table.sh_link(LE) as usize)).ok()?;
        if table.sh_size(LE).max(names.sh_size(LE)) > MAX_SYMBOLS {
            continue;
        }
        let symbols: &[Symbol] = table.data_as_array(LE, data).ok()?;
        let names = names.data(LE, data).ok()?;
        for symbol in symbols.iter().filter(|symbol| !symbol.is_undefined(LE)) {
            let name = names.get(symbol.st_name(LE) as usize..).unwrap_or_default();
            is_library |= name.starts_with(b"__libc_start_main\0");
            if ENDINGS.iter().any(|ending| name.starts_with(ending)) && endings.len() < MAX_PLACES {
                endings.extend(image.offsets(symbol.st_value(LE), 1).map(|place| place.start));
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
    let is_one = |at: &usize| is_handed_on(*at) && ends_indirect_call(&text[..*at]);
    (1..text.len()).filter(is_one).take(MAX_PLACES).collect()
}

/// Where signal handlers return to, and the byte before, by which return addresses are looked up.
fn signal_returns(text: &[u8]) -> Vec<Range<usize>> {
    let range = |at: usize| {
        let code = SIGNAL_RETURNS.iter().find(|code| text[at..].starts_with(code))?;
        Some(at - 1..at + code.len())
    };
    (1..text.len()).filter_map(range).take(MAX_PLACES).collect()
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
    /// Lets `rule` hold from `start` on, as if that were a function of so many bytes.
    fn add(&mut self, start: u32, length: u32, rule: Rule) {
        let first = self.changes.len() as u32;
        let rule = self.rules.intern(rule);
        self.changes.push(Change { offset: start, rule });
        let end = u64::from(start) + u64::from(length);
        self.functions.push(Function { start, end, changes: first..first + 1, entry: 0 });
    }
}

#[cfg(test)]
mod tests {
    use super::{calls, signal_returns};

    #[test]
    fn returns_from_signal_handlers_are_found() {
        let text =
            [0x90, 0x48, 0xc7, 0xc0, 15, 0, 0, 0, 0x0f, 0x05, 0x90, 0xb8, 15, 0, 0, 0, 0x0f, 5];
        assert_eq!(signal_returns(&text), [0..10, 10..18]);
        assert_eq!(signal_returns(&text[2..8]), [0_usize..0; 0]);
    }

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
