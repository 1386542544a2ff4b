//! The readers of what a traced process controls, for fuzzing: any bytes must do no harm.

use super::cache;
use super::table::Table;

/// An ELF file's headers and unwind information → a table, which must hold together.
pub(crate) fn table(bytes: &[u8]) {
    if let Ok(table) = Table::build_from_bytes(bytes) {
        assert!(table.is_sound());
        for offset in [0, table.text.start, table.text.end.saturating_sub(1), table.text.end] {
            let _ = table.rule_at(offset);
        }
    }
}

/// An entry of the tables' cache: as it is, and as if its checksum were right.
pub(crate) fn cache_entry(bytes: &[u8]) {
    let checked = cache::with_right_checksum(bytes);
    for bytes in [Some(bytes), checked.as_deref()].into_iter().flatten() {
        assert!(cache::decode_any(bytes).is_none_or(|table| table.is_sound()));
    }
}
