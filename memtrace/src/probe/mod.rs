//! Floor 3: allocators, probe sites and links.
