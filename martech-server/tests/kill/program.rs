//! The program as a process.

use std::{
    env,
    ffi::OsString,
    io::{BufRead, BufReader},
    net::SocketAddr,
    path::Path,
    process::{Child, Command, Stdio},
    sync::mpsc::{self, Receiver, RecvTimeoutError},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use serde_json::Value;

pub(crate) const TOKEN: &str = "token-of-the-kill-test";
const PATIENCE: Duration = Duration::from_secs(60);

/// The one that `MARTECH_SERVER` names, else the one that cargo built.
pub(crate) fn path() -> OsString {
    env::var_os("MARTECH_SERVER").unwrap_or_else(|| env!("CARGO_BIN_EXE_martech-server").into())
}

/// Killed at the latest when it is dropped.
pub(crate) struct Program {
    child: Child,
    logs: Option<JoinHandle<Vec<String>>>,
    listening: Receiver<SocketAddr>,
    addr: SocketAddr,
    started: Instant,
}

impl Program {
    /// Starts it; it has not begun to listen yet.
    pub(crate) fn start(dir: &Path, addr: SocketAddr, random: &mut fastrand::Rng) -> Self {
        let started = Instant::now();
        let mut child = Command::new(path())
            .args(["--addr", &addr.to_string(), "--log-format", "json"])
            .env("MARTECH_ADMIN_TOKEN", TOKEN)
            // So that it rolls and compacts often, and ids of older events are looked for on disk.
            .args(["--roll-bytes", random.choice(["32KiB", "128KiB", "512KiB"]).unwrap()])
            .args(["--roll-age", random.choice(["50ms", "500ms", "5m"]).unwrap()])
            .args(["--dedupe-memory", random.choice(["0B", "64KiB", "1MiB"]).unwrap()])
            .args(["--journal-size", random.choice(["8MiB", "256MiB"]).unwrap()])
            .arg("--data-dir")
            .arg(dir.join("data"))
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let stderr = child.stderr.take().unwrap();
        let (tell, listening) = mpsc::channel();
        let logs = thread::spawn(move || {
            let lines = BufReader::new(stderr).lines().map_while(Result::ok);
            let lines = lines.inspect(|line| {
                if let Some(addr) = address(line) {
                    let _ = tell.send(addr);
                }
            });
            lines.collect()
        });
        Self { child, logs: Some(logs), listening, addr, started }
    }

    /// Waits until it listens, which is when it has read what the last one left; tells how long that took.
    pub(crate) fn ready(mut self) -> (Self, Duration) {
        if self.listening.recv_timeout(PATIENCE).is_err() {
            panic!("it does not start: {:#?}", self.end());
        }
        let took = self.started.elapsed();
        (self, took)
    }

    pub(crate) fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// SIGKILL
    pub(crate) fn kill(mut self) {
        self.end_without_errors();
    }

    /// SIGKILL after so long a time, or when it is listening, whatever comes first. Tells whether it was still opening.
    pub(crate) fn kill_within(self, time: Duration) -> bool {
        let listening = self.listening.recv_timeout(time);
        self.kill();
        assert_ne!(listening, Err(RecvTimeoutError::Disconnected), "it does not start");
        listening.is_err()
    }

    /// SIGTERM, and SIGKILL so long after.
    pub(crate) fn terminate_and_kill(self, after: Duration) {
        self.sigterm();
        // Ends early when the program does.
        let _ = self.listening.recv_timeout(after);
        self.kill();
    }

    /// SIGTERM; it must end well.
    pub(crate) fn terminate(mut self) {
        self.sigterm();
        let status = self.child.wait().unwrap();
        assert_eq!(status.code(), Some(0), "{status}: {:#?}", self.end());
        self.end_without_errors();
    }

    fn sigterm(&self) {
        let kill = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status().unwrap();
        assert!(kill.success());
    }

    fn end_without_errors(&mut self) {
        let logs = self.end();
        let errors: Vec<_> = logs.iter().filter(|line| line.contains("\"ERROR\"")).collect();
        assert!(errors.is_empty(), "{errors:#?}");
    }

    /// Kills it, if it lives, and returns what it logged.
    fn end(&mut self) -> Vec<String> {
        let _ = self.child.kill();
        let _ = self.child.wait();
        self.logs.take().map(|logs| logs.join().unwrap_or_default()).unwrap_or_default()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.end();
    }
}

/// The address of the line that says where it listens.
fn address(line: &str) -> Option<SocketAddr> {
    let line: Value = serde_json::from_str(line).ok()?;
    // A line's fields may be its own or grouped.
    let fields = line.get("fields").unwrap_or(&line);
    (fields["message"] == "listening").then(|| fields["addr"].as_str()?.parse().ok())?
}
