//! Floor 4: snapshot + symbolizer → report → bytes.
