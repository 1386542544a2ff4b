//! What a tracer saw of a program's blocks, one event after the other, and what they add up to.

use anyhow::{Context as _, Result, bail, ensure};
use std::collections::HashMap;

/// One thing that a tracer saw.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// A block was given out.
    Taken {
        /// Where.
        address: u64,
        /// Bytes asked for.
        size: u64,
        /// By which function and from where, among [`Seen::origins`].
        origin: usize,
    },
    /// A block was given back.
    Given {
        /// Where it was.
        address: u64,
    },
}

impl Event {
    pub(super) const fn address(self) -> u64 {
        match self {
            Self::Taken { address, .. } | Self::Given { address } => address,
        }
    }
}

/// Who asked for a block.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Origin {
    /// The function that was called.
    pub(super) function: String,
    /// Files of the frames from the caller outwards, those in a row once; none where the tracer does not tell.
    pub(super) files: Vec<String>,
}

/// All that a tracer saw.
#[derive(Debug, Default)]
pub(super) struct Seen {
    pub(super) events: Vec<Event>,
    pub(super) origins: Vec<Origin>,
    /// Events that it knows to have lost.
    pub(super) lost: u64,
    /// Mappings that it counts as blocks, and their bytes; they are not among the events.
    pub(super) mappings: (u64, u64),
}

/// What events add up to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sums {
    pub(super) blocks: u64,
    pub(super) bytes: u64,
    /// Most bytes that lived at once.
    pub(super) peak: u64,
    pub(super) left_blocks: u64,
    pub(super) left_bytes: u64,
}

/// Adds up. A block that was there before the first event counts as nothing when it is given back.
pub(super) fn sums<'a>(events: impl IntoIterator<Item = &'a Event>) -> Sums {
    let (mut sums, mut live) = (Sums::default(), HashMap::new());
    for event in events {
        match *event {
            Event::Taken { address, size, .. } => {
                sums.blocks += 1;
                sums.bytes += size;
                sums.left_bytes += size;
                // One whose end was not seen has gone, too.
                sums.left_bytes -= live.insert(address, size).unwrap_or(0);
                sums.peak = sums.peak.max(sums.left_bytes);
            }
            Event::Given { address } => {
                sums.left_bytes -= live.remove(&address).unwrap_or(0);
            }
        }
    }
    sums.left_blocks = live.len() as u64;
    sums
}

/// Reads what `memtrace/examples/recorded_events.rs` prints, of the last program that the process ran.
pub(super) fn of_memtrace(text: &str) -> Result<Seen> {
    let mut seen = Seen::default();
    let mut stacks: Vec<Vec<String>> = Vec::new();
    let mut known: HashMap<(&str, usize), usize> = HashMap::new();
    for line in text.lines() {
        let wrong = || format!("a line of the recording's events makes no sense: {line:?}");
        let words: Vec<&str> = line.split(' ').collect();
        match words.as_slice() {
            ["x"] => seen.events.clear(),
            ["l", _, count] => seen.lost += count.parse::<u64>().with_context(wrong)?,
            ["s", _, files @ ..] => {
                let files = files.iter().filter(|file| !file.is_empty());
                stacks.push(files.map(|&file| file.to_owned()).collect());
            }
            ["+", address, size, function, stack] => {
                let stack: usize = stack.parse().with_context(wrong)?;
                let files = stacks.get(stack).with_context(wrong)?;
                let origins = &mut seen.origins;
                let origin = *known.entry((function, stack)).or_insert_with(|| {
                    origins.push(Origin { function: (*function).to_owned(), files: files.clone() });
                    origins.len() - 1
                });
                let (address, size) = (hex(address)?, hex(size)?);
                seen.events.push(Event::Taken { address, size, origin });
            }
            ["-", address] => seen.events.push(Event::Given { address: hex(address)? }),
            _ => bail!(wrong()),
        }
    }
    Ok(seen)
}

/// Reads heaptrack's raw data, version 3: of its lines those that begin with `+` (size, number of the stack, address)
/// and `-` (address), all in hexadecimal.
pub(super) fn of_heaptrack(text: &[u8]) -> Result<Seen> {
    let mut seen = Seen { origins: vec![Origin::default()], ..Seen::default() };
    // Names of files may be anything.
    for line in text.split(|&byte| byte == b'\n') {
        let Ok(line) = std::str::from_utf8(line) else { continue };
        let words: Vec<&str> = line.split(' ').collect();
        match words.as_slice() {
            ["v", _, version] => ensure!(*version == "3", "heaptrack's format is another one"),
            ["+", size, _, address] => {
                let (address, size) = (hex(address)?, hex(size)?);
                seen.events.push(Event::Taken { address, size, origin: 0 });
            }
            ["-", address] => seen.events.push(Event::Given { address: hex(address)? }),
            _ => {}
        }
    }
    Ok(seen)
}

/// Reads what `memray_events.py` prints.
pub(super) fn of_memray(text: &str) -> Result<Seen> {
    let mut seen = Seen::default();
    for line in text.lines() {
        let words: Vec<&str> = line.split(' ').collect();
        match words.as_slice() {
            ["+", _, size, "MMAP"] => {
                seen.mappings.0 += 1;
                seen.mappings.1 += hex(size)?;
            }
            ["-", _, "MUNMAP"] => {}
            ["+", address, size, function] => {
                let (address, size) = (hex(address)?, hex(size)?);
                let known = seen.origins.iter().position(|origin| origin.function == *function);
                let origin = known.unwrap_or_else(|| {
                    let function = (*function).to_owned();
                    seen.origins.push(Origin { function, files: Vec::new() });
                    seen.origins.len() - 1
                });
                seen.events.push(Event::Taken { address, size, origin });
            }
            ["-", address, _] => seen.events.push(Event::Given { address: hex(address)? }),
            _ => bail!("a line of memray's events makes no sense: {line:?}"),
        }
    }
    Ok(seen)
}

fn hex(word: &str) -> Result<u64> {
    u64::from_str_radix(word, 16).with_context(|| format!("{word:?} is no hexadecimal number"))
}

#[cfg(test)]
mod tests {
    use super::{Event, Sums, of_heaptrack, of_memray, of_memtrace, sums};

    #[test]
    fn events_add_up() {
        let taken = |address, size| Event::Taken { address, size, origin: 0 };
        let events = [
            Event::Given { address: 7 },
            taken(1, 100),
            taken(2, 50),
            Event::Given { address: 1 },
            taken(2, 20),
            taken(1, 40),
        ];
        let expected = Sums { blocks: 4, bytes: 210, peak: 150, left_blocks: 2, left_bytes: 60 };
        assert_eq!(sums(&events), expected);
    }

    #[test]
    fn of_a_recording_the_last_program_counts() {
        let text = "s 0 \n+ 10 8 malloc 0\nx\ns 1 a.so libc.so.6\nl stack_missing 3\n\
                    + 20 ff calloc 1\n+ 30 1 calloc 1\n- 20\n";
        let seen = of_memtrace(text).unwrap();
        let taken = |address, size| Event::Taken { address, size, origin: 1 };
        assert_eq!(seen.events, [taken(32, 255), taken(48, 1), Event::Given { address: 32 }]);
        assert_eq!((seen.origins[1].function.as_str(), seen.lost), ("calloc", 3));
        assert_eq!(seen.origins[1].files, ["a.so", "libc.so.6"]);
        assert!(of_memtrace("+ 10 8 malloc 0\n").is_err());
    }

    #[test]
    fn heaptracks_raw_data_is_read() {
        let text = b"v 10400 3\nx a /tmp/\xff\nt 7efe 0\n+ 11c00 4 55a0c2f18500\n- 55a0c2f18500\n";
        let seen = of_heaptrack(text).unwrap();
        let address = 0x55a0_c2f1_8500;
        let taken = Event::Taken { address, size: 72704, origin: 0 };
        assert_eq!(seen.events, [taken, Event::Given { address }]);
        assert!(of_heaptrack(b"v 10400 4\n").is_err());
    }

    #[test]
    fn mappings_are_no_blocks() {
        let seen =
            of_memray("+ 10 8 MALLOC\n+ 1000 4000 MMAP\n- 10 FREE\n- 1000 MUNMAP\n").unwrap();
        assert_eq!((seen.events.len(), seen.mappings), (2, (1, 0x4000)));
        assert!(of_memray("* 1\n").is_err());
    }
}
