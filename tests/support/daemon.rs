//! A handle on the real binary: started, watched, signalled, and never left behind.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::str::FromStr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use wait_timeout::ChildExt;

use super::{Lab, PATIENCE, sys, wait_until};

/// The program under test.
pub const PROGRAM: &str = env!("CARGO_BIN_EXE_anycast-healthchecker");

/// Lines of one stream, each with the moment of its arrival, read by a thread of their own.
#[derive(Clone, Default)]
pub struct Lines {
    seen: Arc<Mutex<Vec<(Instant, String)>>>,
    ended: Arc<AtomicBool>,
}

impl Lines {
    fn read_from(stream: impl Read + Send + 'static) -> Lines {
        let lines = Lines::default();
        let sink = lines.clone();
        std::thread::spawn(move || {
            let mut reader = BufReader::new(stream);
            let mut line = Vec::new();
            while reader.read_until(b'\n', &mut line).is_ok_and(|n| n > 0) {
                let text = String::from_utf8_lossy(&line)
                    .trim_end_matches('\n')
                    .to_string();
                let mut seen = sink.seen.lock().expect("lines");
                seen.push((Instant::now(), text));
                line.clear();
            }
            sink.ended.store(true, Ordering::SeqCst);
        });
        lines
    }

    pub fn all(&self) -> Vec<String> {
        let lines = self.seen.lock().expect("lines");
        lines.iter().map(|(_, line)| line.clone()).collect()
    }

    pub fn with(&self, words: &[&str]) -> Vec<(Instant, String)> {
        let lines = self.seen.lock().expect("lines");
        let matches = |line: &str| words.iter().all(|word| line.contains(word));
        lines
            .iter()
            .filter(|(_, line)| matches(line))
            .cloned()
            .collect()
    }
}

/// What the log says of a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Said {
    Pass,
    Fail,
    Up,
    Down,
}

pub struct Daemon {
    child: Child,
    pub out: Lines,
    pub err: Lines,
    ended: Option<ExitStatus>,
}

impl Daemon {
    /// Starts it on the configuration of the lab, and waits until it is at work.
    #[track_caller]
    pub fn start(lab: &Lab) -> Daemon {
        let daemon = Daemon::spawn(daemon_command(lab));
        daemon.wait_ready(lab);
        daemon
    }

    /// Starts `command` and waits for nothing.
    pub fn spawn(mut command: Command) -> Daemon {
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().expect("cannot start the program");
        let out = Lines::read_from(child.stdout.take().expect("stdout"));
        let err = Lines::read_from(child.stderr.take().expect("stderr"));
        Daemon {
            child,
            out,
            err,
            ended: None,
        }
    }

    /// At work: the pidfile names it, and the prefix file is there.
    #[track_caller]
    pub fn wait_ready(&self, lab: &Lab) {
        let pid = self.pid().to_string();
        let what = "the daemon is ready (pidfile and prefix file are there)";
        wait_until(what, || {
            assert!(
                is_alive(self.pid()),
                "the daemon has ended: {:?}",
                self.err.all()
            );
            lab.read("pid").trim() == pid
                && (lab.path("4/prefixes.conf").exists() || lab.path("6/prefixes.conf").exists())
        });
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn signal(&self, signal: i32) {
        sys::kill(self.pid(), signal).expect("cannot signal the daemon");
    }

    pub fn is_running(&mut self) -> bool {
        self.ended.is_none() && self.child.try_wait().expect("try_wait").is_none()
    }

    /// Waits for a line of the log that holds all of `words`.
    #[track_caller]
    pub fn wait_line(&self, words: &[&str]) -> String {
        wait_until(&format!("a log line with {words:?}"), || {
            !self.out.with(words).is_empty()
        });
        self.out.with(words).remove(0).1
    }

    /// Waits until `count` lines of the log hold all of `words`.
    #[track_caller]
    pub fn wait_lines(&self, count: usize, words: &[&str]) {
        wait_until(&format!("{count} log lines with {words:?}"), || {
            self.out.with(words).len() >= count
        });
    }

    /// What the log (at `debug`) says of `service`, in order: how its runs ended, and its changes of state.
    pub fn history(&self, service: &str) -> Vec<Said> {
        let lines = self.out.all();
        let said = |line: &String| {
            // `… LEVEL    SERVICE  message`
            let words = line.split_once("] ")?.1;
            let (level, rest) = words.split_once(' ')?;
            let message = rest
                .trim_start()
                .strip_prefix(service)?
                .strip_prefix(' ')?
                .trim_start();
            match level {
                "DEBUG" if message.starts_with("check passed") => Some(Said::Pass),
                "DEBUG" if message.starts_with("check ") => Some(Said::Fail),
                _ if message.contains(" -> up (") => Some(Said::Up),
                _ if message.contains(" -> down (") => Some(Said::Down),
                _ => None,
            }
        };
        lines.iter().filter_map(said).collect()
    }

    /// Waits for the end, and until all that it said is here.
    #[track_caller]
    pub fn wait_end(&mut self) -> ExitStatus {
        if let Some(status) = self.ended {
            return status;
        }
        let ended = self.child.wait_timeout(PATIENCE).expect("wait");
        let status =
            ended.unwrap_or_else(|| panic!("the daemon has not ended within {PATIENCE:?}"));
        self.ended = Some(status);
        wait_until("its last lines are read", || {
            [&self.out, &self.err].map(|lines| lines.ended.load(Ordering::SeqCst)) == [true; 2]
        });
        status
    }

    /// SIGTERM, and a clean end.
    #[track_caller]
    pub fn stop(&mut self) {
        self.signal(libc::SIGTERM);
        let status = self.wait_end();
        assert_eq!(status.code(), Some(0), "after SIGTERM: {status}");
    }

    /// SIGKILL, and its end.
    pub fn kill(&mut self) {
        self.signal(libc::SIGKILL);
        assert_eq!(self.wait_end().signal(), Some(libc::SIGKILL));
    }

    /// Open descriptors.
    pub fn descriptors(&self) -> usize {
        fs::read_dir(format!("/proc/{}/fd", self.pid())).map_or(0, Iterator::count)
    }

    /// Children, zombies included; not the one that starts the others.
    pub fn children(&self) -> Vec<u32> {
        let starter = self.find_starter();
        let mut all = self.all_children();
        all.retain(|&pid| Some(pid) != starter);
        all
    }

    /// The process that forks for the daemon.
    #[track_caller]
    pub fn starter(&self) -> u32 {
        self.find_starter().expect("the process that starts others")
    }

    /// Its name is also that of a child which has not become its program yet; those are younger.
    pub fn find_starter(&self) -> Option<u32> {
        let all = self.all_children();
        let started = |&pid: &u32| word_of_stat::<u64>(pid, 19);
        all.into_iter()
            .filter(|&pid| is_starter(pid))
            .min_by_key(started)
    }

    fn all_children(&self) -> Vec<u32> {
        all_pids()
            .into_iter()
            .filter(|&pid| parent_of(pid) == Some(self.pid()))
            .collect()
    }

    /// Those children that write its files.
    pub fn writers(&self) -> Vec<u32> {
        let is_writer = |pid: &u32| {
            let words = fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            words.contains("--write-files-for")
        };
        self.children().into_iter().filter(is_writer).collect()
    }

    /// A number of /proc/PID/status, such as `VmHWM` (in kB).
    pub fn status_number(&self, field: &str) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid())).expect("status");
        let line = status
            .lines()
            .find(|line| line.starts_with(&format!("{field}:")));
        let line = line.unwrap_or_else(|| panic!("no {field} in /proc/PID/status"));
        line.split_whitespace()
            .nth(1)
            .and_then(|n| n.parse().ok())
            .expect("a number")
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if self.ended.is_none() {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
        if std::thread::panicking() {
            let tail = |lines: &Lines| {
                let mut lines = lines.all();
                let is_run = |line: &str| {
                    ["running ", "check "].map(|word| line.contains(word)) != [false; 2]
                };
                lines.retain(|line| !(line.contains("] DEBUG ") && is_run(line)));
                let skip = lines.len().saturating_sub(40);
                lines[skip..].join("\n    ")
            };
            eprintln!("the daemon's last lines:\n    {}", tail(&self.out));
            eprintln!("its stderr:\n    {}", tail(&self.err));
        }
    }
}

/// The program on the configuration of the lab.
pub fn daemon_command(lab: &Lab) -> Command {
    let mut command = lab.command(PROGRAM);
    command
        .arg("-f")
        .arg(lab.path("main.conf"))
        .arg("-d")
        .arg(lab.path("services"));
    command
}

/// Runs the program to its end, with these arguments, in the directory of the lab.
#[track_caller]
pub fn run(lab: &Lab, arguments: &[&str]) -> Output {
    let mut command = lab.command(PROGRAM);
    command.args(arguments);
    finish(command)
}

/// Runs `command` to its end.
#[track_caller]
pub fn finish(mut command: Command) -> Output {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().expect("cannot start the program");
    let out = collect(child.stdout.take().expect("stdout"));
    let err = collect(child.stderr.take().expect("stderr"));
    let ended = child.wait_timeout(PATIENCE).expect("wait");
    let Some(status) = ended else {
        let _ = child.kill();
        let _ = child.wait();
        panic!("{command:?} has not ended within {PATIENCE:?}");
    };
    Output {
        status,
        stdout: out.join().expect("reader"),
        stderr: err.join().expect("reader"),
    }
}

fn collect(mut stream: impl Read + Send + 'static) -> std::thread::JoinHandle<Vec<u8>> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = stream.read_to_end(&mut bytes);
        bytes
    })
}

/// All pids of the machine.
pub fn all_pids() -> Vec<u32> {
    let entries = fs::read_dir("/proc").expect("/proc");
    let pid = |entry: fs::DirEntry| {
        entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse().ok())
    };
    entries.flatten().filter_map(pid).collect()
}

/// A word of /proc/PID/stat, counted from behind the name, which may hold blanks and parentheses.
fn word_of_stat<T: FromStr>(pid: u32, place: usize) -> Option<T> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, rest) = stat.rsplit_once(')')?;
    rest.split_whitespace().nth(place)?.parse().ok()
}

/// The parent of a process.
pub fn parent_of(pid: u32) -> Option<u32> {
    word_of_stat(pid, 1)
}

/// The letter of proc(5) for what the process is doing: `T` if it is stopped, `Z` for a zombie.
pub fn state_of(pid: u32) -> Option<char> {
    word_of_stat(pid, 0)
}

fn is_starter(pid: u32) -> bool {
    let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    name.trim_end() == "anycast-starter"
}

/// Whether the process exists and is no zombie.
pub fn is_alive(pid: u32) -> bool {
    !matches!(state_of(pid), None | Some('Z' | 'X'))
}

/// A pid that belongs to no process.
pub fn dead_pid() -> u32 {
    let mut child = Command::new("true").spawn().expect("true");
    let pid = child.id();
    child.wait().expect("wait");
    assert!(!Path::new(&format!("/proc/{pid}")).exists());
    pid
}

/// How long `work` takes.
pub fn time<T>(work: impl FnOnce() -> T) -> (Duration, T) {
    let begin = Instant::now();
    let result = work();
    (begin.elapsed(), result)
}
