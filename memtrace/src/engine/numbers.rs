//! How snapshots are serialised where they have what the kernel side and we share, which has numbers for it.

use memtrace_common::classes::SizeClasses;
use memtrace_common::function::FunctionId;
use memtrace_common::wire::{Loss, StackEnd};
use serde::{Deserializer, Serializer};

/// [`FunctionId`].
pub(super) mod function {
    use super::{Deserializer, FunctionId, Serializer};
    use serde::Deserialize as _;

    pub(crate) fn serialize<S: Serializer>(it: &FunctionId, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_u8(it.0)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<FunctionId, D::Error> {
        u8::deserialize(from).map(FunctionId)
    }
}

/// [`SizeClasses`].
pub(super) mod classes {
    use super::{Deserializer, Serializer, SizeClasses};
    use serde::Deserialize as _;

    pub(crate) fn serialize<S: Serializer>(it: &SizeClasses, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_u8(it.number())
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<SizeClasses, D::Error> {
        u8::deserialize(from).map(SizeClasses::from_bits)
    }
}

/// [`StackEnd`].
pub(super) mod stack_end {
    use super::{Deserializer, Serializer, StackEnd};
    use serde::Deserialize as _;

    pub(crate) fn serialize<S: Serializer>(it: &StackEnd, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_u8(*it as u8)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<StackEnd, D::Error> {
        u8::deserialize(from).map(StackEnd::from_number)
    }
}

/// Counts by [`Loss`].
pub(super) mod losses {
    use super::{Deserializer, Loss, Serializer, known};
    use serde::{Deserialize as _, Serialize as _};

    pub(crate) fn serialize<S: Serializer>(it: &[(Loss, u64)], to: S) -> Result<S::Ok, S::Error> {
        let counts: Vec<(u8, u64)> =
            it.iter().map(|(cause, count)| (*cause as u8, *count)).collect();
        counts.serialize(to)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Vec<(Loss, u64)>, D::Error> {
        let counts = Vec::<(u8, u64)>::deserialize(from)?;
        counts.into_iter().map(|(cause, count)| Ok((known(cause)?, count))).collect()
    }
}

fn known<E: serde::de::Error>(cause: u8) -> Result<Loss, E> {
    let found = Loss::ALL.get(usize::from(cause)).copied();
    found.ok_or_else(|| E::custom("a loss of an unknown cause"))
}
