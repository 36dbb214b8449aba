//! The server as a child process.

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

/// Returns the program that `MARTECH_SERVER` names, or else the one that cargo built.
pub(crate) fn path() -> OsString {
    env::var_os("MARTECH_SERVER").unwrap_or_else(|| env!("CARGO_BIN_EXE_martech-server").into())
}

/// A running server. Dropping it kills the process.
pub(crate) struct Program {
    child: Child,
    logs: Option<JoinHandle<Vec<String>>>,
    listening: Receiver<SocketAddr>,
    addr: SocketAddr,
    started: Instant,
}

impl Program {
    /// Starts the program, and does not wait until it listens.
    pub(crate) fn start(dir: &Path, addr: SocketAddr, random: &mut fastrand::Rng) -> Self {
        let started = Instant::now();
        let mut child = Command::new(path())
            .args(["--addr", &addr.to_string(), "--log-format", "json"])
            .env("MARTECH_ADMIN_TOKEN", TOKEN)
            // Small limits, so that the server rolls and compacts often, and looks up older ids on disk.
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

    /// Waits until the program listens, after the recovery of the folder. Returns how long that took.
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

    /// Sends SIGKILL.
    pub(crate) fn kill(mut self) {
        self.end_without_errors();
    }

    /// Sends SIGKILL after `time`, or as soon as the program listens. Returns whether it was still opening its folder.
    pub(crate) fn kill_within(self, time: Duration) -> bool {
        let listening = self.listening.recv_timeout(time);
        self.kill();
        assert_ne!(listening, Err(RecvTimeoutError::Disconnected), "the program does not start");
        listening.is_err()
    }

    /// Sends SIGTERM, and SIGKILL after `after`.
    pub(crate) fn terminate_and_kill(self, after: Duration) {
        self.sigterm();
        // The wait ends early if the program does.
        let _ = self.listening.recv_timeout(after);
        self.kill();
    }

    /// Sends SIGTERM. Asserts that the program exits with 0 and logged no errors.
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

    /// Kills the program if it is running. Returns its log.
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

/// Returns the address in a log line, if the line reports that the program listens.
fn address(line: &str) -> Option<SocketAddr> {
    let line: Value = serde_json::from_str(line).ok()?;
    // The fields may be at the top level or in a group.
    let fields = line.get("fields").unwrap_or(&line);
    (fields["message"] == "listening").then(|| fields["addr"].as_str()?.parse().ok())?
}
