//! A row → a value. The row may be anybody's.

use super::WordsError;
use crate::recording::columns::varint;
use serde::de::{
    DeserializeOwned, DeserializeSeed, Deserializer, EnumAccess, IntoDeserializer as _, SeqAccess,
    VariantAccess, Visitor,
};

/// The value of a row.
///
/// # Errors
/// When it is not one, or the row has more than it.
pub(in crate::recording::snapshots) fn read<T: DeserializeOwned>(
    row: &[u8],
) -> Result<T, WordsError> {
    let mut words = Words(row);
    let value = T::deserialize(&mut words)?;
    if words.0.is_empty() {
        Ok(value)
    } else {
        Err(WordsError("a row with more than belongs to it"))
    }
}

const CUT: WordsError = WordsError("a row that ends too early");
const LARGE: WordsError = WordsError("a number in a row that is too large");
const UNKNOWN: WordsError = WordsError("a value of a kind that rows do not have");

struct Words<'a>(&'a [u8]);

impl Words<'_> {
    fn word(&mut self) -> Result<u64, WordsError> {
        varint::take(&mut self.0).ok_or(CUT)
    }

    fn step(&mut self) -> Result<i64, WordsError> {
        varint::take_step(&mut self.0, 0).map(u64::cast_signed).ok_or(CUT)
    }

    fn small<T: TryFrom<u64>>(&mut self) -> Result<T, WordsError> {
        T::try_from(self.word()?).map_err(|_| LARGE)
    }

    fn small_signed<T: TryFrom<i64>>(&mut self) -> Result<T, WordsError> {
        T::try_from(self.step()?).map_err(|_| LARGE)
    }

    /// How many items follow: each has a byte at least, so that no more room is taken than for what is there.
    fn length(&mut self) -> Result<usize, WordsError> {
        let length: usize = self.small()?;
        if length > self.0.len() { Err(CUT) } else { Ok(length) }
    }

    fn bytes(&mut self) -> Result<Vec<u8>, WordsError> {
        let length = self.length()?;
        (0..length).map(|_| self.small()).collect()
    }
}

/// Numbers of all sizes.
macro_rules! numbers {
    ($($take:ident $visit:ident $of:ident)+) => {
        $(fn $take<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, WordsError> {
            visitor.$visit(self.$of()?)
        })+
    };
}

/// What rows do not have.
macro_rules! unknown {
    ($($take:ident)+) => {
        $(fn $take<V: Visitor<'de>>(self, _: V) -> Result<V::Value, WordsError> {
            Err(UNKNOWN)
        })+
    };
}

impl<'de> Deserializer<'de> for &mut Words<'_> {
    type Error = WordsError;

    numbers! {
        deserialize_i8 visit_i8 small_signed
        deserialize_i16 visit_i16 small_signed
        deserialize_i32 visit_i32 small_signed
        deserialize_i64 visit_i64 step
        deserialize_u8 visit_u8 small
        deserialize_u16 visit_u16 small
        deserialize_u32 visit_u32 small
        deserialize_u64 visit_u64 word
    }

    unknown! { deserialize_any deserialize_char deserialize_f32 deserialize_identifier deserialize_ignored_any deserialize_map }

    fn is_human_readable(&self) -> bool {
        false
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, WordsError> {
        match self.word()? {
            0 => visitor.visit_bool(false),
            1 => visitor.visit_bool(true),
            _ => Err(LARGE),
        }
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, WordsError> {
        visitor.visit_f64(f64::from_bits(self.word()?.swap_bytes()))
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, WordsError> {
        self.deserialize_string(visitor)
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, WordsError> {
        let text = String::from_utf8(self.bytes()?);
        visitor.visit_string(text.map_err(|_| WordsError("a text in a row that is none"))?)
    }

    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, WordsError> {
        self.deserialize_byte_buf(visitor)
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, WordsError> {
        visitor.visit_byte_buf(self.bytes()?)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, WordsError> {
        match self.word()? {
            0 => visitor.visit_none(),
            1 => visitor.visit_some(self),
            _ => Err(LARGE),
        }
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, WordsError> {
        visitor.visit_unit()
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, WordsError> {
        visitor.visit_unit()
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, WordsError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, WordsError> {
        let left = self.length()?;
        visitor.visit_seq(Items { words: self, left })
    }

    fn deserialize_tuple<V: Visitor<'de>>(
        self,
        left: usize,
        visitor: V,
    ) -> Result<V::Value, WordsError> {
        visitor.visit_seq(Items { words: self, left })
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        left: usize,
        visitor: V,
    ) -> Result<V::Value, WordsError> {
        visitor.visit_seq(Items { words: self, left })
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, WordsError> {
        visitor.visit_seq(Items { words: self, left: fields.len() })
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, WordsError> {
        visitor.visit_enum(self)
    }
}

/// The items of what has parts.
struct Items<'b, 'a> {
    words: &'b mut Words<'a>,
    left: usize,
}

impl<'de> SeqAccess<'de> for Items<'_, '_> {
    type Error = WordsError;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, WordsError> {
        let Some(left) = self.left.checked_sub(1) else { return Ok(None) };
        self.left = left;
        seed.deserialize(&mut *self.words).map(Some)
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.left)
    }
}

impl<'de> EnumAccess<'de> for &mut Words<'_> {
    type Error = WordsError;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(
        self,
        seed: V,
    ) -> Result<(V::Value, Self), WordsError> {
        let index: u32 = self.small()?;
        let variant = seed.deserialize(index.into_deserializer())?;
        Ok((variant, self))
    }
}

impl<'de> VariantAccess<'de> for &mut Words<'_> {
    type Error = WordsError;

    fn unit_variant(self) -> Result<(), WordsError> {
        Ok(())
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(
        self,
        seed: T,
    ) -> Result<T::Value, WordsError> {
        seed.deserialize(self)
    }

    fn tuple_variant<V: Visitor<'de>>(
        self,
        length: usize,
        visitor: V,
    ) -> Result<V::Value, WordsError> {
        self.deserialize_tuple(length, visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, WordsError> {
        self.deserialize_tuple(fields.len(), visitor)
    }
}
