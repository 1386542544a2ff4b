//! What goes over the socket: one line of JSON each way.
//!
//! Requests are `{"request":"mark","name":"deploy"}`, `{"request":"report"}` and `{"request":"status"}`; keys that
//! are not known are passed over. Answers have a key `answer`: `marked`, `reporting`, `status` or `error`.

use crate::model::ids::Pid;
use crate::model::mark::MarkName;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Longest request, bytes, with its line's end. A name of 128 bytes with every one escaped is below 1 KiB.
pub const LONGEST_REQUEST: usize = 4096;
/// Longest answer, likewise.
pub const LONGEST_ANSWER: usize = 65_536;

/// What a tracer is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "request", rename_all = "snake_case")]
pub enum Request {
    /// To give this moment a name.
    Mark {
        /// At most 128 bytes, without control characters.
        name: MarkName,
    },
    /// To make a report now, or as soon as the one is done that is being made.
    Report,
    /// To say how it stands.
    Status,
}

/// What it says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "snake_case")]
pub enum Answer {
    /// The mark is made: what was told before it counts, and nothing after it.
    Marked {
        /// Its name.
        name: MarkName,
        /// How long after tracing began, seconds.
        since_start_s: f64,
    },
    /// A report is being made, or will be next.
    Reporting,
    /// How it stands.
    Status(Box<Status>),
    /// Nothing was done.
    Error {
        /// Why, for people.
        message: String,
    },
}

/// How a tracer stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// The tracer.
    pub pid: Pid,
    /// Its version.
    pub version: String,
    /// When tracing began.
    pub began: Timestamp,
    /// How long ago that is, seconds.
    pub uptime_s: f64,
    /// Processes that are traced now.
    pub processes: u64,
    /// Records that came from the kernel.
    pub records: u64,
    /// Reports that were made.
    pub reports: u64,
    /// Marks that were made.
    pub marks: u64,
    /// All of it is being recorded.
    pub is_recorded: bool,
}

impl Request {
    /// The request in a line.
    ///
    /// # Errors
    /// What is wrong with it, for people.
    pub fn read(line: &[u8]) -> Result<Self, String> {
        serde_json::from_slice(line).map_err(|error| format!("not understood: {error}"))
    }
}

/// As a line.
#[must_use]
pub fn line(message: &impl Serialize) -> Vec<u8> {
    // Neither has what JSON has not.
    let mut line = serde_json::to_vec(message).unwrap_or_default();
    line.push(b'\n');
    line
}

#[cfg(test)]
mod tests {
    use super::{Answer, LONGEST_REQUEST, Request, line};
    use crate::model::mark::{LONGEST_NAME, MarkName};
    use proptest::prelude::*;

    #[test]
    fn requests_are_as_documented() {
        let mark = Request::Mark { name: MarkName::new("deploy").unwrap() };
        for (text, request) in [
            (r#"{"request":"mark","name":"deploy"}"#, mark),
            (r#"{"request":"report"}"#, Request::Report),
            (r#"{"request":"status"}"#, Request::Status),
        ] {
            assert_eq!(Request::read(text.as_bytes()).as_ref(), Ok(&request));
            assert_eq!(line(&request), format!("{text}\n").as_bytes());
        }
        let more = br#"{"request":"report","later":[1]}"#;
        assert_eq!(Request::read(more), Ok(Request::Report));
    }

    #[test]
    fn every_name_fits_a_request() {
        // Quotes take most room in JSON of what a name may have.
        let name = MarkName::new(&"\"".repeat(LONGEST_NAME)).unwrap();
        assert!(line(&Request::Mark { name }).len() <= LONGEST_REQUEST);
    }

    #[test]
    fn what_is_no_request_is_refused_with_its_reason() {
        let long = format!(r#"{{"request":"mark","name":"{}"}}"#, "x".repeat(129));
        for (text, reason) in [
            (r#"{"request":"mark","name":"a\u001bb"}"#, "control character"),
            (r#"{"request":"mark","name":""}"#, "needs a name"),
            (&long, "has 129 bytes"),
            (r#"{"request":"mark"}"#, "missing field `name`"),
            (r#"{"request":"stop"}"#, "unknown variant `stop`"),
            (r#"{"request":"report"}{"request":"report"}"#, "trailing characters"),
            ("", "EOF"),
        ] {
            let error = Request::read(text.as_bytes()).unwrap_err();
            assert!(error.contains(reason), "{text}: {error}");
        }
        // Deeply nested values are no way to our stack's end.
        let nested = format!(r#"{{"request":"report","x":{}"#, "[".repeat(LONGEST_REQUEST));
        assert!(Request::read(nested.as_bytes()).is_err());
    }

    proptest! {
        #[test]
        fn any_bytes_are_taken(bytes in prop::collection::vec(any::<u8>(), 0..300), text in "\\PC{0,80}") {
            let _ = Request::read(&bytes);
            let _ = serde_json::from_slice::<Answer>(&bytes);
            if let Ok(request) = Request::read(text.as_bytes()) {
                prop_assert_eq!(Request::read(&line(&request)), Ok(request));
            }
        }
    }
}
