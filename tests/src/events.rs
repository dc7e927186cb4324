//! The event stream of a switch.

use std::time::Duration;

use switchd::control::{EventStream, Notice};
use switchd::event::Record;

/// The next record, or nothing within a tenth of a second.
///
/// # Panics
/// When the stream breaks or loses records.
pub fn next(stream: &mut EventStream) -> Option<Record> {
    match stream.next_within(Duration::from_millis(100)) {
        Ok(Some(Notice::Event(record))) => Some(record),
        Ok(None) => None,
        Ok(Some(Notice::Lost { from, to })) => panic!("lost {from} to {to}"),
        Err(error) => panic!("{error}"),
    }
}
