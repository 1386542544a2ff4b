//! Floor 6: words for people.
