//! The kernel programs' own log (`--bpf-log`), passed on to ours.

use crate::probe::live::kernel_side::KernelSide;
use aya_log::EbpfLogger;

/// Hands lines to `tracing`, whose filter lets them through: the user asked for them by a level of
/// their own.
struct Forward;

static FORWARD: Forward = Forward;

impl log::Log for Forward {
    fn enabled(&self, _metadata: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        let line = record.args();
        match record.level() {
            log::Level::Error => tracing::error!("bpf: {line}"),
            log::Level::Warn => tracing::warn!("bpf: {line}"),
            log::Level::Info | log::Level::Debug | log::Level::Trace => {
                tracing::info!("bpf: {line}");
            }
        }
    }

    fn flush(&self) {}
}

/// Begins to read the log; `None` when it is off, as the programs then have no code for it.
pub(super) fn start(
    kernel: &mut KernelSide,
    level: u8,
) -> Option<EbpfLogger<&'static dyn log::Log>> {
    if level == 0 {
        return None;
    }
    let logger: &'static dyn log::Log = &FORWARD;
    EbpfLogger::init_with_logger(kernel.loaded(), logger)
        .inspect_err(|error| tracing::warn!("the kernel programs' log cannot be read: {error}"))
        .ok()
}
