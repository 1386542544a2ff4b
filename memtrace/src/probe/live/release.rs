//! The running kernel's release.

use super::error::LiveError;

/// The oldest kernel that the tests run on. The ring buffer came with 5.8.
const OLDEST: (u32, u32) = (5, 10);

/// `uname -r`; "unknown" if `/proc` does not say.
#[must_use]
pub fn running() -> String {
    std::fs::read_to_string("/proc/sys/kernel/osrelease")
        .map_or_else(|_| "unknown".to_owned(), |release| release.trim().to_owned())
}

/// Refuses a kernel that is too old. One whose release cannot be read is given a try.
pub(super) fn check(release: &str) -> Result<(), LiveError> {
    match version(release) {
        Some(version) if version < OLDEST => Err(LiveError::OldKernel(release.to_owned())),
        _ => Ok(()),
    }
}

pub(super) fn version(release: &str) -> Option<(u32, u32)> {
    let mut parts = release.split(|character: char| !character.is_ascii_digit());
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::{check, running, version};

    #[test]
    fn releases_are_compared_by_number() {
        assert_eq!(version("6.18.44-fc"), Some((6, 18)));
        assert!(check("5.9.0").is_err() && check("5.10").is_ok() && check("10.1-rc1").is_ok());
        assert!(check("4.19.0-27-amd64").is_err() && check("unknown").is_ok());
        assert!(check(&running()).is_ok());
    }
}
