//! The columns of the tables, which of them fit, and in which order rows come.

use super::page::What;

/// A column. Tables can be sorted by each, the largest first; by name in alphabetical order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Column {
    Pid,
    Name,
    Live,
    Doubt,
    Peak,
    Growth,
    Rate,
    Blocks,
    Resident,
    State,
}

impl Column {
    pub(super) const fn title(self) -> &'static str {
        match self {
            Self::Pid => "PID",
            Self::Name => "NAME",
            Self::Live => "LIVE",
            Self::Doubt => "±95%",
            Self::Peak => "PEAK",
            Self::Growth => "GROWTH",
            Self::Rate => "RATE",
            Self::Blocks => "BLOCKS",
            Self::Resident => "RSS",
            Self::State => "STATE",
        }
    }

    /// For people, in the last line.
    pub(super) const fn words(self) -> &'static str {
        match self {
            Self::Pid => "process number",
            Self::Name => "name",
            Self::Live => "live bytes",
            Self::Doubt => "doubt",
            Self::Peak => "peak",
            Self::Growth => "growth",
            Self::Rate => "rate",
            Self::Blocks => "live blocks",
            Self::Resident => "resident memory",
            Self::State => "state",
        }
    }

    /// Columns that it takes; [`Column::Name`] takes the rest.
    pub(super) const fn width(self) -> u16 {
        match self {
            Self::Pid => 7,
            Self::Name => 0,
            Self::Doubt => 5,
            Self::Live | Self::Peak | Self::Resident => 8,
            Self::Growth | Self::State => 9,
            Self::Blocks => 10,
            Self::Rate => 11,
        }
    }

    pub(super) const fn is_text(self) -> bool {
        matches!(self, Self::Name | Self::State)
    }
}

/// Least columns for the name.
const LEAST_NAME: u16 = 12;

const PROCESSES: [Column; 9] = [
    Column::Pid,
    Column::Name,
    Column::Live,
    Column::Doubt,
    Column::Peak,
    Column::Growth,
    Column::Rate,
    Column::Resident,
    Column::State,
];
const STACKS: [Column; 7] = [
    Column::Live,
    Column::Doubt,
    Column::Blocks,
    Column::Growth,
    Column::Rate,
    Column::Peak,
    Column::Name,
];
const ALL_STACKS: [Column; 8] = [
    Column::Pid,
    Column::Live,
    Column::Doubt,
    Column::Blocks,
    Column::Growth,
    Column::Rate,
    Column::Peak,
    Column::Name,
];
/// What goes first where the screen is narrow.
const SACRIFICES: [Column; 7] = [
    Column::Peak,
    Column::Blocks,
    Column::State,
    Column::Growth,
    Column::Pid,
    Column::Resident,
    Column::Rate,
];
const SORTS_OF_PROCESSES: [Column; 6] =
    [Column::Growth, Column::Rate, Column::Live, Column::Peak, Column::Resident, Column::Name];
const SORTS_OF_STACKS: [Column; 6] =
    [Column::Growth, Column::Rate, Column::Live, Column::Peak, Column::Blocks, Column::Name];

/// All columns of a page.
pub(super) const fn all(what: &What) -> &'static [Column] {
    match what {
        What::Processes => &PROCESSES,
        What::Stacks(_) => &STACKS,
        What::AllStacks => &ALL_STACKS,
        What::Frames(..) => &[],
    }
}

/// Those that can be sorted by, in the order in which `s` goes through them.
pub(super) const fn sorts(what: &What) -> &'static [Column] {
    match what {
        What::Processes => &SORTS_OF_PROCESSES,
        What::Stacks(_) | What::AllStacks => &SORTS_OF_STACKS,
        What::Frames(..) => &[],
    }
}

/// Those that fit. Where all figures are exact there is no doubt to show.
pub(super) fn that_fit(what: &What, width: u16, estimated: bool) -> Vec<Column> {
    let mut columns: Vec<Column> = all(what).to_vec();
    columns.retain(|column| *column != Column::Doubt || estimated);
    let least = if matches!(what, What::Processes) { LEAST_NAME } else { 2 * LEAST_NAME };
    for sacrifice in SACRIFICES {
        let needed: u16 = columns.iter().map(|column| column.width() + 1).sum();
        if needed + least <= width {
            break;
        }
        columns.retain(|column| *column != sacrifice);
    }
    columns
}
