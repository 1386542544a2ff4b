//! What the user's environment says of debuginfod servers; the variables are those of elfutils
//! (`debuginfod-client-config(7)`).

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

/// Longest that the last report waits, and a server may be silent; elfutils' own default.
const PATIENCE: Duration = Duration::from_secs(90);
/// Longest that one file may take.
const MAX_TIME: Duration = Duration::from_secs(600);
/// Largest file, bytes.
const MAX_SIZE: u64 = 1 << 30;

/// Where files come from and are kept, and what they may take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Servers, in the order in which they are asked: `http://` or `https://`.
    pub urls: Vec<String>,
    /// Folder of what came.
    pub cache: PathBuf,
    /// Longest that a server may be silent, and that the last report waits.
    pub patience: Duration,
    /// Longest that one file may take.
    pub max_time: Duration,
    /// Largest file, bytes.
    pub max_size: u64,
}

/// Why the environment does not do.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// No servers.
    #[error(
        "--debuginfod needs the addresses of servers in DEBUGINFOD_URLS, which is empty or not set; \
         sudo drops it: sudo --preserve-env=DEBUGINFOD_URLS memtrace …"
    )]
    NoServers,
    /// An address that is none.
    #[error("DEBUGINFOD_URLS has {0:?}, which begins with neither https:// nor http://")]
    Address(String),
    /// A number that is none.
    #[error("{name} is {value:?}, which is no whole number: unset it or give one")]
    Number {
        /// The variable.
        name: &'static str,
        /// Its value.
        value: String,
    },
    /// No folder.
    #[error(
        "there is no place for what debuginfod servers send: set DEBUGINFOD_CACHE_PATH, \
         XDG_CACHE_HOME or HOME"
    )]
    NoCache,
}

impl Settings {
    /// What the variables that `get` knows say.
    ///
    /// # Errors
    /// With the variable and the remedy.
    pub fn from_environment(get: impl Fn(&str) -> Option<OsString>) -> Result<Self, SettingsError> {
        let get = |name: &str| get(name).filter(|value| !value.is_empty());
        let seconds = |name, or| Ok(number(&get, name)?.map_or(or, Duration::from_secs));
        Ok(Self {
            urls: urls(&get)?,
            cache: cache(&get).ok_or(SettingsError::NoCache)?,
            patience: seconds("DEBUGINFOD_TIMEOUT", PATIENCE)?,
            max_time: seconds("DEBUGINFOD_MAXTIME", MAX_TIME)?,
            max_size: number(&get, "DEBUGINFOD_MAXSIZE")?.unwrap_or(MAX_SIZE),
        })
    }
}

fn urls(get: &impl Fn(&str) -> Option<OsString>) -> Result<Vec<String>, SettingsError> {
    let all = get("DEBUGINFOD_URLS").ok_or(SettingsError::NoServers)?;
    let all = all.to_string_lossy();
    let urls: Vec<String> =
        all.split_whitespace().map(|url| url.trim_end_matches('/').to_owned()).collect();
    let is_address = |url: &String| url.starts_with("http://") || url.starts_with("https://");
    match urls.iter().find(|url| !is_address(url)) {
        Some(other) => Err(SettingsError::Address(other.clone())),
        None if urls.is_empty() => Err(SettingsError::NoServers),
        None => Ok(urls),
    }
}

fn number(
    get: &impl Fn(&str) -> Option<OsString>,
    name: &'static str,
) -> Result<Option<u64>, SettingsError> {
    let Some(value) = get(name) else { return Ok(None) };
    let value = value.to_string_lossy().into_owned();
    value.trim().parse().map(Some).map_err(|_| SettingsError::Number { name, value })
}

fn cache(get: &impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let below = |name: &str, rest: &str| get(name).map(|base| PathBuf::from(base).join(rest));
    below("DEBUGINFOD_CACHE_PATH", "")
        .or_else(|| below("XDG_CACHE_HOME", "debuginfod_client"))
        .or_else(|| below("HOME", ".cache/debuginfod_client"))
        .filter(|path| path.is_absolute())
}

#[cfg(test)]
mod tests {
    use super::{Settings, SettingsError};
    use std::path::Path;
    use std::time::Duration;

    fn settings(variables: &[(&str, &str)]) -> Result<Settings, SettingsError> {
        Settings::from_environment(|name| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).into())
        })
    }

    #[test]
    fn the_usual_variables_count() {
        let found = settings(&[
            ("DEBUGINFOD_URLS", " https://a/ http://b/x "),
            ("DEBUGINFOD_TIMEOUT", "3"),
            ("DEBUGINFOD_MAXSIZE", "1000"),
            ("HOME", "/home/me"),
        ])
        .unwrap();
        assert_eq!(found.urls, ["https://a", "http://b/x"]);
        assert_eq!(found.cache, Path::new("/home/me/.cache/debuginfod_client"));
        assert_eq!((found.patience, found.max_size), (Duration::from_secs(3), 1000));
        let urls = ("DEBUGINFOD_URLS", "https://a");
        let cache = |more: &[_]| settings(&[&[urls], more].concat()).unwrap().cache;
        let (home, xdg) = (("HOME", "/h"), ("XDG_CACHE_HOME", "/x"));
        assert_eq!(cache(&[home, xdg]), Path::new("/x/debuginfod_client"));
        let own = ("DEBUGINFOD_CACHE_PATH", "/d");
        assert_eq!(cache(&[home, xdg, own]), Path::new("/d"));
    }

    #[test]
    fn what_does_not_do_is_said() {
        let error = |variables: &[(&str, &str)]| settings(variables).unwrap_err().to_string();
        let (urls, home) = (("DEBUGINFOD_URLS", "https://a"), ("HOME", "/h"));
        for missing in [&[home][..], &[home, ("DEBUGINFOD_URLS", "  ")]] {
            assert!(error(missing).contains("sudo --preserve-env=DEBUGINFOD_URLS"));
        }
        assert!(error(&[home, ("DEBUGINFOD_URLS", "https://a ftp://b")]).contains("ftp://b"));
        assert!(error(&[home, urls, ("DEBUGINFOD_TIMEOUT", "soon")]).contains("soon"));
        assert!(error(&[urls]).contains("XDG_CACHE_HOME"));
    }
}
