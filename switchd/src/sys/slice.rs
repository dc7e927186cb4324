//! How long a thread runs before the scheduler looks at the others that are waiting.

use std::io;
use std::time::Duration;

use super::check;

/// The least the kernel gives (`sched_setattr(2)`, Linux 6.12).
pub(crate) const SHORTEST: Duration = Duration::from_micros(100);

/// Asks for slices of `length` for the calling thread: it may not run longer than others, but it waits less for them.
/// The kernel keeps it within 0.1 and 100 ms; before Linux 6.12 it has no effect. A policy other than the usual one, which
/// somebody chose with `chrt`, stays as it is.
///
/// # Errors
/// A filter of system calls refuses it.
pub(crate) fn request(length: Duration) -> io::Result<()> {
    let mut attributes = attributes()?;
    if !matches!(
        attributes.sched_policy.cast_signed(),
        libc::SCHED_OTHER | libc::SCHED_BATCH
    ) {
        return Ok(());
    }
    attributes.sched_runtime = u64::try_from(length.as_nanos()).unwrap_or(u64::MAX);
    // SAFETY: the kernel reads one `sched_attr` of the size named in it, which lives through the call; thread 0 is the
    // caller, and no flags exist.
    let done = unsafe { libc::syscall(libc::SYS_sched_setattr, 0, &raw const attributes, 0) };
    outcome(done)
}

/// The calling thread's slices now; zero before Linux 6.12, or with a policy that has none.
///
/// # Errors
/// A filter of system calls refuses it.
pub(crate) fn current() -> io::Result<Duration> {
    Ok(Duration::from_nanos(attributes()?.sched_runtime))
}

/// What the calling thread has now.
fn attributes() -> io::Result<libc::sched_attr> {
    let size = u32::try_from(size_of::<libc::sched_attr>()).unwrap_or(0);
    let mut attributes = libc::sched_attr {
        size,
        sched_policy: 0,
        sched_flags: 0,
        sched_nice: 0,
        sched_priority: 0,
        sched_runtime: 0,
        sched_deadline: 0,
        sched_period: 0,
    };
    // SAFETY: the kernel writes at most `size` octets to a `sched_attr` that is so long and lives through the call; any
    // value is good in its fields of numbers. Thread 0 is the caller, and no flags exist.
    let done = unsafe { libc::syscall(libc::SYS_sched_getattr, 0, &raw mut attributes, size, 0) };
    outcome(done).map(|()| attributes)
}

fn outcome(result: libc::c_long) -> io::Result<()> {
    // These calls give 0 or -1.
    check(if result < 0 { -1 } else { 0 }).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_gets_the_slice_it_asks_for_and_keeps_its_niceness() {
        let before = attributes().unwrap();
        request(SHORTEST).unwrap();
        let after = attributes().unwrap();
        assert_eq!(after.sched_runtime, 100_000);
        assert_eq!(
            (after.sched_policy, after.sched_nice, after.sched_flags),
            (before.sched_policy, before.sched_nice, before.sched_flags)
        );
    }

    #[test]
    fn a_policy_somebody_chose_is_left_alone() {
        let mut idle = attributes().unwrap();
        idle.sched_policy = libc::SCHED_IDLE.cast_unsigned();
        // SAFETY: as in `request`.
        let done = unsafe { libc::syscall(libc::SYS_sched_setattr, 0, &raw const idle, 0) };
        outcome(done).unwrap();
        let before = attributes().unwrap();
        request(SHORTEST).unwrap();
        let after = attributes().unwrap();
        assert_eq!(after.sched_policy, before.sched_policy);
        assert_eq!(after.sched_runtime, before.sched_runtime);
    }
}
