//! What is counted beside the heap: pools, and memory of devices.

use super::TextStyle;
use super::stacks::{held, one};
use crate::report::layout::wrap;
use crate::report::model::{AccountReport, DeviceReport, Report};
use crate::report::units::counted;

/// Functions that are named in a title.
const MOST_NAMES: usize = 4;

/// The stacks in which functions were called that the user describes.
pub(super) fn pools(report: &Report, pools: &AccountReport, style: TextStyle) -> Vec<String> {
    let title = format!("what {} gave out, which lies in the memory above", names(pools));
    account(["POOLS   ", &title, "pools"], report, pools, style)
}

/// The stacks in which memory of devices was allocated.
pub(super) fn device(report: &Report, device: &DeviceReport, style: TextStyle) -> Vec<String> {
    let title = "memory that the driver of a device gave out, which is no part of the heap";
    account(["DEVICE  ", title, "devices"], report, &device.account, style)
}

fn names(account: &AccountReport) -> String {
    let names = account.functions.iter().take(MOST_NAMES).map(String::as_str);
    let mut names = names.collect::<Vec<_>>().join(", ");
    if account.functions.len() > MOST_NAMES {
        names.push_str(" and others");
    }
    names
}

/// An account with its heading, title and name.
fn account(
    [heading, title, name]: [&str; 3],
    report: &Report,
    account: &AccountReport,
    style: TextStyle,
) -> Vec<String> {
    let mut lines = wrap(heading, title, style.columns());
    let shown = account.stacks.iter().filter(|stack| stack.live_blocks > 0);
    for (number, stack) in (1..).zip(shown) {
        lines.extend(one(number, stack, account.totals.live_bytes, report, style));
    }
    if account.totals.allocated_blocks == 0 {
        lines.push("No call of them was seen.".to_owned());
    }
    if account.others.blocks > 0 {
        let text = format!(
            "{} of {name}; {}, young or of sizes left out or beyond --top",
            held(account.others),
            counted(account.others.stacks, "stack")
        );
        lines.extend(wrap("OTHER   ", &text, style.columns()));
    }
    lines
}
