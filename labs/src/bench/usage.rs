//! Processor time and memory of a process, and of the machine.

use std::fs;
use std::time::Duration;

/// Clock ticks of `/proc/stat`, a hundred a second on every Linux (`USER_HZ`).
const TICK: Duration = Duration::from_millis(10);

/// Processor time that the threads of process `pid` have used, all together; `None`: there is no such process.
#[must_use]
pub fn processor_time(pid: u32) -> Option<Duration> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).ok()?;
    let nanoseconds = |task: fs::DirEntry| {
        let text = fs::read_to_string(task.path().join("schedstat")).ok()?;
        text.split_ascii_whitespace().next()?.parse::<u64>().ok()
    };
    let sum = tasks.flatten().filter_map(nanoseconds).sum();
    Some(Duration::from_nanos(sum))
}

/// Processor time that all of the machine has used for anything but idling.
#[must_use]
pub fn machine_time() -> Duration {
    let text = fs::read_to_string("/proc/stat").unwrap_or_default();
    TICK * busy_ticks(&text)
}

/// user, nice, system, idle, iowait, irq, softirq, steal: all but idle, iowait and steal.
fn busy_ticks(stat: &str) -> u32 {
    let Some(line) = stat.lines().find_map(|line| line.strip_prefix("cpu ")) else {
        return 0;
    };
    let fields = line
        .split_ascii_whitespace()
        .map(|word| word.parse().unwrap_or(0));
    let busy: u64 = fields
        .zip([1, 1, 1, 0, 0, 1, 1, 0])
        .map(|(ticks, counts): (u64, u64)| ticks * counts)
        .sum();
    u32::try_from(busy).unwrap_or(u32::MAX)
}

/// Resident memory of process `pid` in MiB.
#[must_use]
pub fn resident_mib(pid: u32) -> Option<f64> {
    resident(&fs::read_to_string(format!("/proc/{pid}/status")).ok()?)
}

fn resident(status: &str) -> Option<f64> {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: f64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib / 1024.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_works_uses_time_and_memory() {
        let pid = std::process::id();
        let before = processor_time(pid).unwrap();
        while processor_time(pid).unwrap() == before {
            core::hint::spin_loop();
        }
        assert!(resident_mib(pid).unwrap() > 0.5);
        assert_eq!(processor_time(u32::MAX), None);
    }

    #[test]
    fn idle_is_not_busy() {
        assert_eq!(busy_ticks("cpu  1 2 3 1000 50 4 5 6 0 0\ncpu0 9 9 9\n"), 15);
        assert_eq!(busy_ticks(""), 0);
        assert_eq!(resident("VmRSS:\t    2048 kB\n"), Some(2.0));
    }
}
