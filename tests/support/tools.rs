//! The real consumers that `prepare.sh` puts below the target directory: the reference and its Python, rsyslog, the
//! node exporter, promtool, BIRD 1.6 and 3.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use super::daemon::PROGRAM;
use super::{Lab, wait_until};

fn target() -> &'static Path {
    // target/PROFILE/anycast-healthchecker
    let profile = Path::new(PROGRAM).parent().expect("profile");
    profile.parent().expect("target directory")
}

fn tool(path: &str) -> PathBuf {
    let path = target().join(path);
    assert!(
        path.exists(),
        "{path:?} is missing: run `make test` (tests/support/prepare.sh test)"
    );
    path
}

/// The reference, installed from PyPI.
pub fn reference() -> PathBuf {
    tool("reference-venv/bin/anycast-healthchecker")
}

/// BIRD 1.6: `bird` or `bird6` (contrib/test-tools).
pub fn old_bird(name: &str) -> PathBuf {
    tool(&format!("tools/{name}"))
}

/// BIRD 3: `bird` or `birdc` (contrib/test-tools).
pub fn bird_3(name: &str) -> PathBuf {
    tool(&format!("tools/{name}3"))
}

pub fn node_exporter() -> PathBuf {
    tool("test-tools/usr/bin/prometheus-node-exporter")
}

/// The library that makes a program see another wall clock (preloaded).
pub fn libfaketime() -> PathBuf {
    let architectures = std::fs::read_dir(tool("test-tools/usr/lib")).expect("usr/lib");
    let library = |entry: std::fs::DirEntry| entry.path().join("faketime/libfaketime.so.1");
    let found = architectures
        .flatten()
        .map(library)
        .find(|path| path.exists());
    found.expect("libfaketime.so.1 is missing: run `make test`")
}

/// Feeds `input` to `command` and returns what it said and how it ended.
pub fn feed(mut command: Command, input: &str) -> Output {
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command
        .spawn()
        .unwrap_or_else(|cause| panic!("{command:?}: {cause}"));
    let mut stdin = child.stdin.take().expect("stdin");
    let input = input.to_string();
    let writer = std::thread::spawn(move || stdin.write_all(input.as_bytes()));
    let output = child.wait_with_output().expect("output");
    let _ = writer.join();
    output
}

/// Runs Python code (of the reference's environment, so prometheus_client is there) on `input`; it must succeed.
#[track_caller]
pub fn python(code: &str, input: &str) -> String {
    let mut command = Command::new(tool("reference-venv/bin/python3"));
    command.args(["-c", code]);
    let output = feed(command, input);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "python: {said}\nits input:\n{input}"
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// `promtool check metrics`: what it complains of.
pub fn promtool(words: &[&str], input: &str) -> Output {
    let mut command = Command::new(tool("tools/promtool"));
    command.args(words);
    feed(command, input)
}

/// A real rsyslog that listens on UDP port 6514 of `address` and writes the fields of each record, separated by `|`:
/// programname, procid, severity, facility, time, host, protocol version, message.
pub struct Rsyslog<'a> {
    lab: &'a Lab,
    child: Child,
}

const TEMPLATE: &str = "%programname%|%procid%|%syslogseverity-text%|%syslogfacility-text%|\
    %timereported:::date-rfc3339%|%hostname%|%protocol-version%|%msg%\\n";

impl<'a> Rsyslog<'a> {
    pub fn start(lab: &'a Lab, address: &str) -> Rsyslog<'a> {
        let dir = lab.dir().display();
        let config = format!(
            "global(workDirectory=\"{dir}\")\n\
             module(load=\"imudp\")\n\
             template(name=\"fields\" type=\"string\" string=\"{TEMPLATE}\")\n\
             ruleset(name=\"all\") {{ action(type=\"omfile\" file=\"{dir}/syslog\" template=\"fields\") }}\n\
             input(type=\"imudp\" address=\"{address}\" port=\"6514\" ruleset=\"all\")\n"
        );
        lab.write("rsyslog.conf", &config);
        let libraries = std::fs::read_dir(tool("test-tools/usr/lib"))
            .expect("usr/lib")
            .flatten();
        let libraries: Vec<PathBuf> = libraries
            .map(|entry| entry.path())
            .filter(|p| p.join("rsyslog").exists())
            .collect();
        let libraries = libraries.first().expect("rsyslog's modules");
        let child = lab
            .command(tool("test-tools/usr/sbin/rsyslogd"))
            .env("LD_LIBRARY_PATH", libraries)
            .arg("-n")
            .arg("-f")
            .arg(lab.path("rsyslog.conf"))
            .arg("-i")
            .arg(lab.path("rsyslog.pid"))
            .arg("-M")
            .arg(libraries.join("rsyslog"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        let rsyslog = Rsyslog {
            lab,
            child: child.expect("cannot start rsyslogd"),
        };
        wait_until("rsyslog listens", || {
            let sockets = ["udp", "udp6"]
                .map(|kind| std::fs::read_to_string(format!("/proc/thread-self/net/{kind}")));
            // 6514 in hexadecimal.
            sockets
                .into_iter()
                .flatten()
                .any(|text| text.contains(":1972 "))
        });
        rsyslog
    }

    /// The records so far, each as its fields.
    pub fn records(&self) -> Vec<Vec<String>> {
        let text = self.lab.read("syslog");
        let complete = text.rfind('\n').map_or("", |end| &text[..end]);
        complete
            .lines()
            .map(|line| line.splitn(8, '|').map(str::to_string).collect())
            .collect()
    }

    /// Waits for a record whose message holds all of `words`.
    #[track_caller]
    pub fn wait_record(&self, words: &[&str]) -> Vec<String> {
        let find = || {
            let holds = |record: &&Vec<String>| {
                words
                    .iter()
                    .all(|word| record.last().is_some_and(|m| m.contains(word)))
            };
            self.records().iter().find(holds).cloned()
        };
        wait_until(&format!("a syslog record with {words:?}"), || {
            find().is_some()
        });
        find().expect("just seen")
    }
}

impl Drop for Rsyslog<'_> {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_file(self.lab.path("rsyslog.pid"));
    }
}
