//! Fetches one file from the first server that has it.

use super::cache::{Cache, is_debug_file_of};
use super::settings::Settings;
use crate::model::module::BuildId;
use std::io::{self, Read};
use std::sync::Arc;
use std::time::Duration;
use ureq::Agent;
use ureq::tls::{Certificate, RootCerts, TlsConfig};

/// Longest that connecting may take; a server that is there answers in a fraction of it.
const CONNECT: Duration = Duration::from_secs(10);

/// Why a server gave nothing.
#[derive(Debug, thiserror::Error)]
enum FetchError {
    #[error("it has no such file")]
    Absent,
    #[error("{0}")]
    Http(#[source] Box<ureq::Error>),
    #[error("the file is larger than {0} bytes (DEBUGINFOD_MAXSIZE)")]
    TooLarge(u64),
    #[error("what it sent is not the debug information of that build-id")]
    Another,
    #[error("cannot read or keep it: {0}")]
    Io(#[from] io::Error),
}

/// Asks the servers.
pub(super) struct Fetcher {
    settings: Settings,
    cache: Cache,
    agent: Agent,
}

impl Fetcher {
    pub(super) fn new(settings: Settings, cache: Cache) -> Self {
        let agent = agent(&settings);
        Self { settings, cache, agent }
    }

    /// Fetches the debug information of the file with this build-id into the cache. True if it is
    /// there now; what went wrong is logged.
    pub(super) fn fetch(&self, build_id: &BuildId) -> bool {
        for url in &self.settings.urls {
            match self.fetch_from(url, build_id) {
                Ok(()) => {
                    tracing::info!("debuginfod: {build_id} came from {url}");
                    return true;
                }
                Err(FetchError::Absent) => tracing::debug!("debuginfod: {url} has no {build_id}"),
                Err(error) => tracing::warn!("debuginfod: {url}, asked for {build_id}: {error}"),
            }
        }
        false
    }

    fn fetch_from(&self, url: &str, build_id: &BuildId) -> Result<(), FetchError> {
        let most = self.settings.max_size;
        let request = self.agent.get(format!("{url}/buildid/{build_id}/debuginfo"));
        let mut response = request.call().map_err(|error| match error {
            ureq::Error::StatusCode(404) => FetchError::Absent,
            error => FetchError::Http(Box::new(error)),
        })?;
        if response.body().content_length().is_some_and(|announced| announced > most) {
            return Err(FetchError::TooLarge(most));
        }
        let mut file = self.cache.begin()?;
        let mut body = response.body_mut().as_reader().take(most.saturating_add(1));
        if io::copy(&mut body, &mut file)? > most {
            return Err(FetchError::TooLarge(most));
        }
        if !is_debug_file_of(file.as_file(), build_id) {
            return Err(FetchError::Another);
        }
        Ok(self.cache.keep(file, build_id)?)
    }
}

fn agent(settings: &Settings) -> Agent {
    let config = Agent::config_builder()
        .user_agent(concat!("memtrace/", env!("CARGO_PKG_VERSION")))
        .timeout_connect(Some(CONNECT.min(settings.patience)))
        .timeout_per_read(Some(settings.patience))
        .timeout_global(Some(settings.max_time))
        .tls_config(tls(settings));
    config.build().into()
}

/// The certificates that this system trusts, read only if a server needs them.
fn tls(settings: &Settings) -> TlsConfig {
    let wanted = settings.urls.iter().any(|url| url.starts_with("https:"));
    let found = if wanted { rustls_native_certs::load_native_certs().certs } else { Vec::new() };
    let own = |certificate: &[u8]| Certificate::from_der(certificate).to_owned();
    let certificates: Vec<_> = found.iter().map(|certificate| own(certificate)).collect();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    TlsConfig::builder()
        .root_certs(RootCerts::Specific(Arc::new(certificates)))
        .unversioned_rustls_crypto_provider(provider)
        .build()
}
