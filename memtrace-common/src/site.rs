//! What a probe site tells its program: 64 bits that travel as the link's attach cookie.
//!
//! One program serves every allocator function, so the cookie says which function it is, where its
//! arguments are, what it does, and where the allocator's own code lies around the probed address.

use crate::classes::{Alignment, SizeClasses};
use crate::function::FunctionId;

/// What an allocator function does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Role {
    /// Returns a new block.
    Allocate = 0,
    /// Takes a block and returns it resized, perhaps elsewhere.
    Reallocate = 1,
    /// Takes a block back.
    Free = 2,
}

/// An argument's position in the C calling convention, 0 to 5.
pub type Argument = u8;

/// Marks an argument that the function does not have.
pub const NO_ARGUMENT: Argument = 7;

/// How a function is told what its blocks are to be aligned to. Numbers are those in a cookie.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Aligned {
    /// Not at all.
    No,
    /// To a page, always.
    ToPages,
    /// By an argument.
    By(Argument),
    /// By the flags of jemalloc's own interface, in an argument.
    ByFlags(Argument),
}

impl Aligned {
    const PAGES: u8 = 6;
    const FLAGS: u8 = 8;

    const fn number(self) -> u8 {
        match self {
            Self::No => NO_ARGUMENT,
            Self::ToPages => Self::PAGES,
            Self::By(argument) => argument,
            Self::ByFlags(argument) => Self::FLAGS | argument,
        }
    }

    #[inline(always)]
    const fn from_number(number: u8) -> Self {
        match number & 7 {
            NO_ARGUMENT => Self::No,
            Self::PAGES => Self::ToPages,
            argument if number & Self::FLAGS == 0 => Self::By(argument),
            argument => Self::ByFlags(argument),
        }
    }

    /// The argument that tells it, or [`NO_ARGUMENT`].
    #[must_use]
    pub const fn argument(self) -> Argument {
        match self {
            Self::No | Self::ToPages => NO_ARGUMENT,
            Self::By(argument) | Self::ByFlags(argument) => argument,
        }
    }

    /// The alignment, given what `argument` finds at a position.
    #[inline(always)]
    pub fn read(self, argument: impl Fn(Argument) -> u64) -> Alignment {
        match self {
            Self::No => Alignment::NONE,
            Self::ToPages => Alignment::PAGE,
            Self::By(position) => Alignment::of_bytes(argument(position)),
            Self::ByFlags(position) => Alignment::of_flags(argument(position)),
        }
    }
}

/// Most words that a site can tell of: 7 bits.
pub const MOST_PUSHED: u8 = 127;

/// Unit of the two spans, in bytes.
pub const SPAN_UNIT: u64 = 64;

/// A probe site as its program sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Site {
    /// Which function.
    pub function: FunctionId,
    /// What it does.
    pub role: Role,
    /// What size its blocks have.
    pub classes: SizeClasses,
    /// Where the size is.
    pub size: Argument,
    /// A second factor of the size (`calloc`, `reallocarray`), or [`NO_ARGUMENT`].
    pub count: Argument,
    /// The block given (`free`, `realloc`), or the place for the result (`posix_memalign`).
    pub pointer: Argument,
    /// The result is stored through `pointer` and the return value is 0 for success.
    pub result_by_pointer: bool,
    /// May call or tail-jump to another probed function, whose event is then not a second one.
    pub nests: bool,
    /// Left through its `ret` instructions, which are probed in place of its return: what it calls may
    /// throw, and an exception does not get past a replaced return address.
    pub exits: bool,
    /// 8-byte words pushed between the function's entry and the probed instruction: the return
    /// address is at `[rsp + 8 × pushed]`. At most [`MOST_PUSHED`]; always 0 where a return probe is wanted,
    /// as it is of all functions but those of [`Role::Free`].
    pub pushed: u8,
    /// How it is told an alignment; never where the role is [`Role::Free`], so that the two share their bits.
    pub aligned: Aligned,
    /// The allocator's own code begins this many [`SPAN_UNIT`]s before the probed instruction.
    pub span_below: u16,
    /// … and ends this many units after it.
    pub span_above: u16,
}

impl Site {
    /// The cookie for a link.
    #[must_use]
    pub const fn pack(self) -> u64 {
        self.function.0 as u64
            | (self.role as u64) << 8
            | (self.classes.number() as u64) << 10
            | ((self.size & 7) as u64) << 13
            | ((self.count & 7) as u64) << 16
            | ((self.pointer & 7) as u64) << 19
            | (self.result_by_pointer as u64) << 22
            | (self.nests as u64) << 23
            | (self.exits as u64) << 24
            | self.pushed_or_aligned() << 25
            | (self.span_below as u64) << 32
            | (self.span_above as u64) << 48
    }

    const fn pushed_or_aligned(self) -> u64 {
        match self.role {
            Role::Free => (self.pushed & MOST_PUSHED) as u64,
            Role::Allocate | Role::Reallocate => self.aligned.number() as u64,
        }
    }

    /// Reads a cookie back. Total: an unknown role reads as [`Role::Free`].
    #[must_use]
    #[inline(always)]
    pub const fn unpack(cookie: u64) -> Self {
        let role = match (cookie >> 8) & 3 {
            0 => Role::Allocate,
            1 => Role::Reallocate,
            _ => Role::Free,
        };
        let shared = (cookie >> 25) as u8 & MOST_PUSHED;
        let is_free = matches!(role, Role::Free);
        Self {
            function: FunctionId(cookie as u8),
            role,
            classes: SizeClasses::from_bits((cookie >> 10) as u8),
            size: (cookie >> 13) as u8 & 7,
            count: (cookie >> 16) as u8 & 7,
            pointer: (cookie >> 19) as u8 & 7,
            result_by_pointer: cookie & (1 << 22) != 0,
            nests: cookie & (1 << 23) != 0,
            exits: cookie & (1 << 24) != 0,
            pushed: if is_free { shared } else { 0 },
            aligned: if is_free { Aligned::No } else { Aligned::from_number(shared) },
            span_below: (cookie >> 32) as u16,
            span_above: (cookie >> 48) as u16,
        }
    }

    /// By what a call is known whose return address lies at `place`: this place, marked with the function's
    /// kind, for which the low bits are free. So where a pool jumps to `malloc` its call is above that one, as
    /// if it had called it, and each finds its own at its return. (A comparison of kinds would do as well, but
    /// a session's program has no room for one on its stack.)
    #[must_use]
    #[inline(always)]
    pub const fn mark(self, place: u64) -> u64 {
        // The number of the `BlockKind`, without a branch: 0 to 3 by the upper bits, and 3 is 2 as well.
        let upper = self.function.0 / FunctionId::FIRST_DEVICE;
        place.wrapping_add((upper & !(upper >> 1)) as u64)
    }

    /// Whether the function is one for memory of devices.
    #[must_use]
    #[inline(always)]
    pub const fn is_of_device(self) -> bool {
        self.function.0 / FunctionId::FIRST_DEVICE == 1
    }

    /// Whether two marked places that lie so far apart are marked for the same kind.
    #[must_use]
    #[inline(always)]
    pub const fn same_kind(apart: u64) -> bool {
        apart & 7 == 0
    }

    /// The place without its mark.
    #[must_use]
    #[inline(always)]
    pub const fn unmarked(place: u64) -> u64 {
        place & !7
    }

    /// Where the allocator's own code lies, given the place of the probed instruction: first byte, and first byte
    /// after it.
    #[must_use]
    pub const fn span_around(self, probed: u64) -> (u64, u64) {
        let below = self.span_below as u64 * SPAN_UNIT;
        (probed.saturating_sub(below), probed.saturating_add(self.span_above as u64 * SPAN_UNIT))
    }

    /// Whether `code` lies in the allocator's own code, given the address of the probed instruction.
    #[must_use]
    #[inline(always)]
    pub const fn is_inside_allocator(self, probed: u64, code: u64) -> bool {
        let low = probed.wrapping_sub(self.span_below as u64 * SPAN_UNIT);
        let length = (self.span_below as u64 + self.span_above as u64) * SPAN_UNIT;
        code.wrapping_sub(low) < length
    }
}

#[cfg(test)]
mod tests {
    use super::{Aligned, MOST_PUSHED, NO_ARGUMENT, Role, Site};
    use crate::classes::{Alignment, SizeClasses};
    use crate::function::{BlockKind, FunctionId};

    const REALLOC: Site = Site {
        function: FunctionId::REALLOC,
        role: Role::Reallocate,
        classes: SizeClasses::JEMALLOC,
        size: 1,
        count: NO_ARGUMENT,
        pointer: 0,
        result_by_pointer: false,
        nests: true,
        exits: false,
        pushed: 0,
        aligned: Aligned::No,
        span_below: 0x1234,
        span_above: 0xffff,
    };

    #[test]
    fn a_cookie_round_trips() {
        assert_eq!(Site::unpack(REALLOC.pack()), REALLOC);
        let free = Site { role: Role::Free, nests: false, result_by_pointer: true, ..REALLOC };
        assert_eq!(Site::unpack(free.pack()), free);
        let many = Site { pushed: MOST_PUSHED, classes: SizeClasses::from_bits(7), ..free };
        assert_eq!(Site::unpack(many.pack()), many);
        let arguments = (0..6).flat_map(|it| [Aligned::By(it), Aligned::ByFlags(it)]);
        for aligned in arguments.chain([Aligned::No, Aligned::ToPages]) {
            let site = Site { aligned, ..REALLOC };
            assert_eq!(Site::unpack(site.pack()), site);
        }
        let throws = Site { exits: true, nests: false, ..REALLOC };
        assert_eq!(Site::unpack(throws.pack()), throws);
    }

    #[test]
    fn alignments_are_read_from_arguments() {
        let argument = |position| [0, 64, 0x146][usize::from(position)];
        assert_eq!(Aligned::No.read(argument), Alignment::NONE);
        assert_eq!(Aligned::ToPages.read(argument).bytes(), Some(4096));
        assert_eq!(Aligned::By(1).read(argument).bytes(), Some(64));
        assert_eq!(Aligned::ByFlags(2).read(argument).bytes(), Some(64));
    }

    #[test]
    fn places_are_marked_with_the_kind() {
        for number in 0..=u8::MAX {
            let site = Site { function: FunctionId(number), ..REALLOC };
            let place = site.mark(0x7ff8);
            assert_eq!(place - 0x7ff8, site.function.kind() as u64, "{number}");
            assert_eq!(Site::unmarked(place), 0x7ff8);
            assert_eq!(site.is_of_device(), site.function.kind() == BlockKind::Device);
            assert_eq!(Site::same_kind(place - 0x7000), site.function.kind() == BlockKind::Heap);
        }
    }

    #[test]
    fn spans_are_half_open() {
        let site = Site { span_below: 2, span_above: 1, ..REALLOC };
        assert!(site.is_inside_allocator(1000, 1000 - 128));
        assert!(!site.is_inside_allocator(1000, 1000 - 129));
        assert!(site.is_inside_allocator(1000, 1063));
        assert!(!site.is_inside_allocator(1000, 1064));
        assert_eq!(site.span_around(1000), (1000 - 128, 1064));
    }
}
