//! Floor 3: what `/proc` says of processes.
