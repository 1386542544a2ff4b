//! Floor 3: names for places in files.
