//! Process metrics from `/proc` on Linux, under the names that Prometheus client libraries use. Other systems only have
//! the start time.

use std::{
    fs,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use super::families::Families;

/// Unit of times in `/proc` (`USER_HZ`), independent of the kernel's own clock.
const TICKS_PER_SECOND: f64 = 100.0;

/// Start time of the process, in seconds since 1970.
#[derive(Debug)]
pub(super) struct Started(f64);

impl Started {
    pub(super) fn now() -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs_f64();
        Self(since_boot().map_or(now, |age| now - age))
    }
}

/// Returns the age of the process, in seconds.
fn since_boot() -> Option<f64> {
    let uptime: f64 = fs::read_to_string("/proc/uptime").ok()?.split(' ').next()?.parse().ok()?;
    let started = Stat::read()?.started;
    Some((uptime - started).max(0.0))
}

pub(super) fn tell(started: &Started, families: &mut Families) {
    families.gauge("process_start_time_seconds", "Start time of the process, in seconds since 1970.", started.0);
    if let Some(stat) = Stat::read() {
        families.counter("process_cpu_seconds_total", "User and system CPU time of the process, in seconds.", stat.cpu);
        families.gauge("process_threads", "Number of threads of the process.", stat.threads);
    }
    if let Some(bytes) = fs::read_to_string("/proc/self/status").ok().and_then(|status| resident(&status)) {
        families.gauge("process_resident_memory_bytes", "Resident memory of the process, in bytes.", bytes);
    }
    if let Ok(open) = fs::read_dir("/proc/self/fd") {
        // Without the descriptor that lists the others.
        families.gauge("process_open_fds", "Number of open file descriptors.", open.count().saturating_sub(1) as f64);
    }
    if let Some(most) = fs::read_to_string("/proc/self/limits").ok().and_then(|limits| max_fds(&limits)) {
        families.gauge("process_max_fds", "Maximum number of open file descriptors.", most);
    }
}

/// Fields of `/proc/self/stat`.
#[derive(Debug, PartialEq)]
struct Stat {
    cpu: f64,
    threads: f64,
    /// Seconds from the start of the machine to the start of the process.
    started: f64,
}

impl Stat {
    fn read() -> Option<Self> {
        Self::parse(&fs::read_to_string("/proc/self/stat").ok()?)
    }

    /// Parses the line as in proc(5). The program name, in parentheses, may contain any characters.
    fn parse(text: &str) -> Option<Self> {
        let (_, fields) = text.rsplit_once(") ")?;
        // The first of these is the third field of the line.
        let fields: Vec<&str> = fields.split(' ').collect();
        let field = |number: usize| fields.get(number - 3)?.trim().parse::<f64>().ok();
        let seconds = |number| Some(field(number)? / TICKS_PER_SECOND);
        Some(Self { cpu: seconds(14)? + seconds(15)?, threads: field(20)?, started: seconds(22)? })
    }
}

fn resident(status: &str) -> Option<f64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: f64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024.0)
}

fn max_fds(limits: &str) -> Option<f64> {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parses_proc_files() {
        let stat = "4711 (a) b (c) S 1 1 1 0 -1 4194560 9 0 0 0 250 50 0 0 20 0 7 0 12345 1 2 3\n";
        assert_eq!(Stat::parse(stat), Some(Stat { cpu: 3.0, threads: 7.0, started: 123.45 }));
        assert_eq!(Stat::parse("4711 (a) S 1"), None);
        assert_eq!(resident("Name:\tx\nVmRSS:\t    2048 kB\nThreads:\t7\n"), Some(2_097_152.0));
        let limits =
            "Limit            Soft Limit Hard Limit Units\nMax open files            1024       4096     files\n";
        assert_eq!(max_fds(limits), Some(1024.0));
        assert_eq!(max_fds("Max open files            unlimited  unlimited files\n"), None);
    }
}
