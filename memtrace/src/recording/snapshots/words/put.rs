//! A value → a row.

use super::WordsError;
use crate::recording::columns::varint;
use serde::ser::{
    Impossible, Serialize, SerializeSeq, SerializeStruct, SerializeStructVariant, SerializeTuple,
    SerializeTupleStruct, SerializeTupleVariant, Serializer,
};

/// The row of a value.
///
/// # Errors
/// When it has maps, characters or sequences of unknown length.
pub(in crate::recording::snapshots) fn row<T: Serialize + ?Sized>(
    value: &T,
) -> Result<Vec<u8>, WordsError> {
    let mut words = Words(Vec::new());
    value.serialize(&mut words)?;
    Ok(words.0)
}

struct Words(Vec<u8>);

impl Words {
    fn word(&mut self, word: u64) {
        varint::put(&mut self.0, word);
    }
}

const UNKNOWN: WordsError = WordsError("a value of a kind that rows do not have");

impl<'a> Serializer for &'a mut Words {
    type Ok = ();
    type Error = WordsError;
    type SerializeSeq = Self;
    type SerializeTuple = Self;
    type SerializeTupleStruct = Self;
    type SerializeTupleVariant = Self;
    type SerializeMap = Impossible<(), WordsError>;
    type SerializeStruct = Self;
    type SerializeStructVariant = Self;

    fn is_human_readable(&self) -> bool {
        false
    }

    fn serialize_bool(self, v: bool) -> Result<(), WordsError> {
        self.serialize_u64(v.into())
    }

    fn serialize_i8(self, v: i8) -> Result<(), WordsError> {
        self.serialize_i64(v.into())
    }

    fn serialize_i16(self, v: i16) -> Result<(), WordsError> {
        self.serialize_i64(v.into())
    }

    fn serialize_i32(self, v: i32) -> Result<(), WordsError> {
        self.serialize_i64(v.into())
    }

    fn serialize_i64(self, v: i64) -> Result<(), WordsError> {
        varint::put_step(&mut self.0, 0, v.cast_unsigned());
        Ok(())
    }

    fn serialize_u8(self, v: u8) -> Result<(), WordsError> {
        self.serialize_u64(v.into())
    }

    fn serialize_u16(self, v: u16) -> Result<(), WordsError> {
        self.serialize_u64(v.into())
    }

    fn serialize_u32(self, v: u32) -> Result<(), WordsError> {
        self.serialize_u64(v.into())
    }

    fn serialize_u64(self, v: u64) -> Result<(), WordsError> {
        self.word(v);
        Ok(())
    }

    fn serialize_f32(self, v: f32) -> Result<(), WordsError> {
        self.serialize_f64(v.into())
    }

    /// The bytes in reverse: most numbers have zeroes at their end.
    fn serialize_f64(self, v: f64) -> Result<(), WordsError> {
        self.serialize_u64(v.to_bits().swap_bytes())
    }

    fn serialize_char(self, _: char) -> Result<(), WordsError> {
        Err(UNKNOWN)
    }

    fn serialize_str(self, v: &str) -> Result<(), WordsError> {
        self.serialize_bytes(v.as_bytes())
    }

    fn serialize_bytes(self, v: &[u8]) -> Result<(), WordsError> {
        self.word(v.len() as u64);
        v.iter().for_each(|byte| self.word((*byte).into()));
        Ok(())
    }

    fn serialize_none(self) -> Result<(), WordsError> {
        self.serialize_u64(0)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), WordsError> {
        self.word(1);
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<(), WordsError> {
        Ok(())
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<(), WordsError> {
        Ok(())
    }

    fn serialize_unit_variant(
        self,
        _: &'static str,
        index: u32,
        _: &'static str,
    ) -> Result<(), WordsError> {
        self.serialize_u32(index)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<(), WordsError> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        index: u32,
        _: &'static str,
        value: &T,
    ) -> Result<(), WordsError> {
        self.word(index.into());
        value.serialize(self)
    }

    fn serialize_seq(self, length: Option<usize>) -> Result<&'a mut Words, WordsError> {
        self.word(length.ok_or(UNKNOWN)? as u64);
        Ok(self)
    }

    fn serialize_tuple(self, _: usize) -> Result<&'a mut Words, WordsError> {
        Ok(self)
    }

    fn serialize_tuple_struct(
        self,
        _: &'static str,
        _: usize,
    ) -> Result<&'a mut Words, WordsError> {
        Ok(self)
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        index: u32,
        _: &'static str,
        _: usize,
    ) -> Result<&'a mut Words, WordsError> {
        self.word(index.into());
        Ok(self)
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Self::SerializeMap, WordsError> {
        Err(UNKNOWN)
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<&'a mut Words, WordsError> {
        Ok(self)
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        index: u32,
        _: &'static str,
        _: usize,
    ) -> Result<&'a mut Words, WordsError> {
        self.word(index.into());
        Ok(self)
    }
}

/// What has parts is its parts, one after the other, without their names.
macro_rules! parts {
    ($of:ident, $add:ident $(, $name:ty)?) => {
        impl $of for &mut Words {
            type Ok = ();
            type Error = WordsError;

            fn $add<T: Serialize + ?Sized>(
                &mut self,
                $(_: $name,)?
                value: &T,
            ) -> Result<(), WordsError> {
                value.serialize(&mut **self)
            }

            fn end(self) -> Result<(), WordsError> {
                Ok(())
            }
        }
    };
}

parts!(SerializeSeq, serialize_element);
parts!(SerializeTuple, serialize_element);
parts!(SerializeTupleStruct, serialize_field);
parts!(SerializeTupleVariant, serialize_field);
parts!(SerializeStruct, serialize_field, &'static str);
parts!(SerializeStructVariant, serialize_field, &'static str);
