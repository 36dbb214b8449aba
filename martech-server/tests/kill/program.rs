//! The program as a process.

use std::{
    io::{BufRead, BufReader},
    net::SocketAddr,
    path::Path,
    process::{Child, Command, Stdio},
    sync::mpsc::{self, Receiver},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::client::Client;

pub(crate) const TOKEN: &str = "token-of-the-kill-test";
const PATIENCE: Duration = Duration::from_secs(30);

/// Killed at the latest when it is dropped.
pub(crate) struct Program {
    child: Child,
    logs: Option<JoinHandle<Vec<String>>>,
    listening: Receiver<SocketAddr>,
    addr: Option<SocketAddr>,
}

impl Program {
    /// Starts it; it has not begun to listen yet.
    pub(crate) fn start(dir: &Path) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_martech-server"))
            .args(["--addr", "127.0.0.1:0", "--log-format", "json", "--admin-token", TOKEN])
            // So that it rolls and compacts often, and ids of older events are looked for on disk.
            .args(["--roll-bytes", "128KiB", "--roll-age", "500ms", "--dedupe-memory", "64KiB", "--data-dir"])
            .arg(dir.join("data"))
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
        Self { child, logs: Some(logs), listening, addr: None }
    }

    /// Waits until it takes events.
    pub(crate) fn ready(mut self) -> Self {
        let Ok(addr) = self.listening.recv_timeout(PATIENCE) else {
            panic!("it does not start: {:#?}", self.end());
        };
        self.addr = Some(addr);
        let deadline = Instant::now() + PATIENCE;
        while ureq::get(format!("http://{addr}/readyz")).call().is_err() {
            assert!(Instant::now() < deadline, "it does not get ready: {:#?}", self.end());
            thread::yield_now();
        }
        self
    }

    pub(crate) fn addr(&self) -> SocketAddr {
        self.addr.expect("it is ready")
    }

    pub(crate) fn client(&self) -> Client {
        Client::new(self.addr())
    }

    /// SIGKILL
    pub(crate) fn kill(mut self) {
        let logs = self.end();
        let errors: Vec<_> = logs.iter().filter(|line| line.contains("\"ERROR\"")).collect();
        assert!(errors.is_empty(), "{errors:#?}");
    }

    /// SIGKILL after so long a time, or when it is listening, whatever comes first.
    pub(crate) fn kill_within(self, time: Duration) {
        let _ = self.listening.recv_timeout(time);
        self.kill();
    }

    /// SIGTERM; it must end well.
    pub(crate) fn terminate(mut self) {
        let kill = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status().unwrap();
        assert!(kill.success());
        let status = self.child.wait().unwrap();
        assert_eq!(status.code(), Some(0), "{status}: {:#?}", self.end());
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
