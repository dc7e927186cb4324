//! Ctrl-C, SIGTERM and SIGHUP as something a lab unwinds from: what was made is cleared before the program ends.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use nix::sys::signal::{SigSet, Signal};

use super::LabError;

static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// How long a pause may overlook an interruption.
const SLICE: Duration = Duration::from_millis(50);
/// What a shell reports for a program that SIGINT has ended.
const EXIT_INTERRUPTED: i32 = 130;

/// From now on SIGINT, SIGTERM and SIGHUP make [`check`] fail; a second one ends the program at once. To be called
/// once, before any other thread is started: threads inherit what they do not hear.
///
/// # Errors
/// When no thread can be started.
pub fn catch() -> io::Result<()> {
    let signals: SigSet = [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP]
        .into_iter()
        .collect();
    signals.thread_block()?;
    let listen = move || {
        while signals.wait().is_ok() {
            if INTERRUPTED.swap(true, Ordering::Relaxed) {
                std::process::exit(EXIT_INTERRUPTED);
            }
            eprintln!("interrupted: clearing (once more to leave everything as it is)");
        }
    };
    std::thread::Builder::new()
        .name("signals".to_owned())
        .spawn(listen)?;
    Ok(())
}

/// Fails once the program is to end.
///
/// # Errors
/// [`LabError::Interrupted`].
pub fn check() -> Result<(), LabError> {
    if INTERRUPTED.load(Ordering::Relaxed) {
        return Err(LabError::Interrupted);
    }
    Ok(())
}

/// Sleeps for `time`, or until the program is to end.
///
/// # Errors
/// [`LabError::Interrupted`].
pub fn pause(time: Duration) -> Result<(), LabError> {
    let end = Instant::now() + time;
    loop {
        check()?;
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(());
        }
        std::thread::sleep(left.min(SLICE));
    }
}
