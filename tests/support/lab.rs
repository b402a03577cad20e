//! The work directory, the namespaces and the configuration of one test.

use std::fs;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime};

use super::{executable, sys};

/// Set for everything that a test starts, so that what it left behind can be found.
pub const MARK: &str = "ANYCAST_TEST_LAB";

pub struct Lab {
    dir: PathBuf,
}

impl Lab {
    /// A new directory, and new network and mount namespaces for the calling thread, with `lo` up.
    pub fn new(name: &str) -> Lab {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        assert!(
            sys::is_root(),
            "these tests make network namespaces: run them as root (make test)"
        );
        sys::unshare_network_and_mounts()
            .expect("new namespaces (is this a container without CAP_SYS_ADMIN?)");
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        // Not below the target directory: socket paths are short, and other users must get in.
        let dir = std::env::temp_dir().join(format!("ahc-{}-{number}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&dir);
        for part in ["4", "6", "services", "checks"] {
            fs::create_dir_all(dir.join(part)).expect("work directory");
        }
        let lab = Lab { dir };
        lab.ip("link set lo up");
        lab
    }

    pub fn dir(&self) -> &Path {
        &self.dir
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, text).unwrap_or_else(|cause| panic!("cannot write {path:?}: {cause}"));
        settle(&path);
        path
    }

    /// An executable file.
    pub fn script(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        executable::write(&path, text);
        path
    }

    /// The content of a file; empty if there is none.
    pub fn read(&self, name: &str) -> String {
        fs::read(self.path(name))
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
            .unwrap_or_default()
    }

    pub fn remove(&self, name: &str) {
        fs::remove_file(self.path(name))
            .unwrap_or_else(|cause| panic!("cannot remove {name}: {cause}"));
        settle(&self.path(name));
    }

    /// Runs `ip` with these words in the namespace of the calling thread.
    #[track_caller]
    pub fn ip(&self, words: &str) {
        let output = Command::new("ip")
            .args(words.split_whitespace())
            .output()
            .expect("cannot run ip (package iproute2)");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "ip {words}: {said}");
    }

    /// Many commands of `ip`, one a line, in one go.
    #[track_caller]
    pub fn ip_batch(&self, lines: &str) {
        let file = self.write("ip.batch", lines);
        self.ip(&format!("-batch {}", file.display()));
    }

    /// Writes the settings of the daemon: those that every test needs, and `settings` over them.
    pub fn daemon(&self, settings: &[(&str, &str)]) {
        let path = |name: &str| self.path(name).display().to_string();
        let birdc = format!("{} configure", path("birdc"));
        let defaults = [
            ("pidfile", path("pid")),
            ("bird_conf", path("4/prefixes.conf")),
            ("bird6_conf", path("6/prefixes.conf")),
            ("ipv6", "true".to_string()),
            ("bird_reconfigure_cmd", birdc.clone()),
            ("bird6_reconfigure_cmd", birdc),
        ];
        let mut text = String::from("[daemon]\n");
        for (key, value) in &defaults {
            if !settings.iter().any(|(other, _)| other == key) {
                text += &format!("{key} = {value}\n");
            }
        }
        for (key, value) in settings {
            text += &format!("{key} = {value}\n");
        }
        self.write("main.conf", &text);
    }

    /// Writes the settings of a service. Without other settings: a steered check (see `checks`) every 0.15 s that
    /// counts to one and does not look at addresses.
    pub fn service(&self, name: &str, settings: &[(&str, &str)]) {
        let check = format!("/bin/sh {} {name}", self.path("check").display());
        let defaults = [
            ("check_cmd", check.as_str()),
            ("check_interval", "0.15"),
            ("check_timeout", "5"),
            ("check_rise", "1"),
            ("check_fail", "1"),
            ("check_disabled", "false"),
            ("ip_check_disabled", "true"),
        ];
        let mut text = format!("[{name}]\n");
        for (key, value) in defaults {
            if !settings.iter().any(|(other, _)| *other == key) {
                text += &format!("{key} = {value}\n");
            }
        }
        for (key, value) in settings {
            text += &format!("{key} = {value}\n");
        }
        self.write(&format!("services/{name}.conf"), &text);
    }

    /// What is announced according to the prefix file of the family ("4" or "6"), in order, without the dummy.
    pub fn announced(&self, family: &str) -> Vec<String> {
        super::prefixes::announced(&self.read(&format!("{family}/prefixes.conf")))
    }

    /// Pids of the living processes that came from this lab, the test's own helpers included.
    pub fn processes(&self) -> Vec<u32> {
        let mark = format!("{MARK}={}", self.dir.display());
        super::daemon::all_pids()
            .into_iter()
            .filter(|pid| {
                let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
                environment.split(|&b| b == 0).any(|v| v == mark.as_bytes())
            })
            .collect()
    }

    /// A command that carries the mark of this lab, dies with the test and ignores no signal.
    pub fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        command.env(MARK, &self.dir).current_dir(&self.dir);
        // The test run may be somebody's unit; what is to be told to systemd is its own affair.
        for variable in ["NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"] {
            command.env_remove(variable);
        }
        sys::adopt(&mut command);
        command
    }

    /// The names in a directory of the lab, sorted; without reserves, which are beside every prefix file.
    pub fn list(&self, name: &str) -> Vec<String> {
        let entries = fs::read_dir(self.path(name)).map(|entries| {
            let name = |entry: fs::DirEntry| entry.file_name().to_string_lossy().into_owned();
            entries.flatten().map(name).collect::<Vec<_>>()
        });
        let mut names = entries.unwrap_or_default();
        names.retain(|name| !name.ends_with(".conf.reserve"));
        names.sort();
        names
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        // Twice: a process may have forked while the first list was made.
        for _ in 0..2 {
            for pid in self.processes() {
                let _ = sys::kill(pid, libc::SIGKILL);
            }
        }
        let _ = fs::remove_dir_all(&self.dir);
    }
}

/// A configuration file that changed within the last second may be changing still, and the program waits for it; so
/// this one, and its directory, look older than that.
fn settle(path: &Path) {
    if path
        .extension()
        .is_some_and(|extension| extension == "conf")
    {
        for path in [Some(path), path.parent()].into_iter().flatten() {
            let then = SystemTime::now() - Duration::from_secs(60);
            let _ = fs::File::open(path).and_then(|file| file.set_modified(then));
        }
    }
}

/// A second network namespace, for the other end of a wire. It exists as long as this or a process in it does.
pub struct Netns {
    fd: OwnedFd,
}

impl Netns {
    pub fn new() -> Netns {
        let home = current_network();
        sys::unshare_network().expect("new network namespace");
        let fd = current_network();
        sys::enter_network(home.as_raw_fd()).expect("back to the first namespace");
        Netns { fd }
    }

    /// Runs `work` inside, on the calling thread; what it starts stays there.
    pub fn inside<T>(&self, work: impl FnOnce() -> T) -> T {
        struct Back(OwnedFd);
        impl Drop for Back {
            fn drop(&mut self) {
                sys::enter_network(self.0.as_raw_fd()).expect("back to the first namespace");
            }
        }
        let _back = Back(current_network());
        sys::enter_network(self.fd.as_raw_fd()).expect("enter the namespace");
        work()
    }

    /// A path that `ip link set … netns PATH` takes.
    pub fn path(&self) -> String {
        format!("/proc/{}/fd/{}", std::process::id(), self.fd.as_raw_fd())
    }
}

fn current_network() -> OwnedFd {
    fs::File::open("/proc/thread-self/ns/net")
        .expect("/proc/thread-self/ns/net")
        .into()
}
