//! One life: a daemon with a BIRD beside it and a peer, what has been done to them, and what that should lead to.

use std::collections::BTreeSet;
use std::fs;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::calls::{Part, Plan, Trace, Tracer};
use super::checks::{self, Mode};
use super::disk::Disk;
use super::model::{BAIT, Config, Places, SERVICES, all_prefixes};
use super::oracle::ask_status;
use super::random::Random;
use super::steps::{Trouble, left_out};
use crate::support::bgp::{BgpLab, Version};
use crate::support::daemon::{Daemon, PROGRAM, is_alive};
use crate::support::{Lab, executable, sys, wait_within};

/// The daemon's user in lives in which it is not root.
const USER: u32 = 64_739;

/// How long anything may take that should take a few seconds. A machine may be busy with other tests.
pub const BOUND: Duration = Duration::from_secs(30);

/// After so many seconds without a daemon `--watch` withdraws.
const PATIENCE: &str = "5";

/// The steps of a life, printed if it ends badly.
pub struct Diary {
    begin: Instant,
    title: String,
    lines: Vec<String>,
}

impl Diary {
    pub fn note(&mut self, line: impl Into<String>) {
        let at = self.begin.elapsed().as_secs_f64();
        let line = format!("{at:8.3}  {}", line.into());
        if std::env::var_os("CHAOS_VERBOSE").is_some() {
            eprintln!("{} {line}", self.title);
        }
        self.lines.push(line);
    }
}

impl Drop for Diary {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let skip = self.lines.len().saturating_sub(40);
            let lines = self.lines[skip..].join("\n    ");
            eprintln!("{}, its last steps:\n    {lines}", self.title);
        }
    }
}

/// What a life begins with.
#[derive(Debug)]
pub struct Birth {
    pub seed: u64,
    pub version: Version,
    pub as_root: bool,
    /// The prefix files lie on the disk that freezes, not on a tmpfs each.
    pub lists_on_disk: bool,
    /// Their copies do.
    pub history_on_disk: bool,
    /// Some services have a command of their own to tell BIRD.
    pub customs: bool,
    /// `--watch` runs beside the daemon.
    pub watched: bool,
}

pub struct Life<'a> {
    pub birth: &'a Birth,
    pub random: Random,
    pub lab: &'a Lab,
    pub disk: &'a Disk,
    pub bgp: BgpLab<'a>,
    pub daemon: Option<Daemon>,
    pub tracer: Option<Tracer>,
    watcher: Option<Daemon>,
    /// Whose checks cannot be executed, and what holds them.
    pub held: Vec<(usize, OwnedFd)>,
    pub configured: Instant,
    pub reloaded: Instant,
    /// What is the matter now.
    pub troubles: Vec<Trouble>,
    /// The configuration in the files.
    pub written: Config,
    /// The configuration that the daemon goes by; `None` if it may be this or that.
    pub loaded: Option<Config>,
    pub modes: Vec<(Mode, Instant)>,
    /// Prefixes whose address is away.
    pub addresses_away: BTreeSet<&'static str>,
    /// The daemon may not have seen the maintenance files as they are.
    pub maintenance_unsure: bool,
    /// All calls that any daemon was seen to make.
    pub calls: BTreeSet<String>,
    pub injected: usize,
    /// Descriptors of this daemon in its first calm, and those that an injected error has kept open since it started.
    pub descriptors: Option<usize>,
    pub not_closed: usize,
    /// An injected error has kept a file from being removed since it started.
    pub not_removed: bool,
    /// Lines of this daemon that have been looked at.
    pub lines_seen: usize,
    pub log_file_seen: usize,
    /// Steps since the last calm.
    pub steps: usize,
    pub last_calm: Instant,
    /// Children were stopped, or started late, since then.
    pub children_held: bool,
    pub names: BTreeSet<String>,
    traces: usize,
    pub diary: Diary,
}

impl<'a> Life<'a> {
    pub fn new(birth: &'a Birth, lab: &'a Lab, disk: &'a Disk) -> Life<'a> {
        let mut random = Random::new(birth.seed);
        prepare(birth, lab);
        let bgp = BgpLab::with(lab, birth.version);
        let lists = lists(birth, lab);
        rewrite_node(lab, &lists);
        let now = Instant::now();
        let mut written = Config::new(&mut random, birth.customs);
        written.settings.metrics &= !left_out("metrics");
        let mut life = Life {
            birth,
            random,
            lab,
            disk,
            bgp,
            daemon: None,
            tracer: None,
            watcher: None,
            held: Vec::new(),
            configured: now,
            reloaded: now,
            troubles: vec![Trouble::DaemonDead],
            written,
            loaded: None,
            modes: SERVICES.iter().map(|_| (Mode::Pass, now)).collect(),
            addresses_away: BTreeSet::new(),
            maintenance_unsure: false,
            calls: BTreeSet::new(),
            injected: 0,
            descriptors: None,
            not_closed: 0,
            not_removed: false,
            lines_seen: 0,
            log_file_seen: 0,
            steps: 0,
            last_calm: now,
            children_held: false,
            names: BTreeSet::new(),
            traces: 0,
            diary: Diary {
                begin: now,
                title: format!("{birth:?}"),
                lines: Vec::new(),
            },
        };
        for prefix in all_prefixes().into_iter().chain([BAIT]) {
            life.lab.ip(&format!("addr add {prefix} dev lo"));
        }
        life.open_socket();
        life.bgp.node(&["configure"]);
        let configure = life.bgp.configure_command();
        life.lab
            .script("custom", &format!("#!/bin/sh\nexec {configure}\n"));
        life.write_config();
        if birth.watched {
            let mut command = life.command(&life.program());
            command.args(["-f", "main.conf", "-d", "services", "--watch", PATIENCE]);
            life.watcher = Some(Daemon::spawn(command));
        }
        life
    }

    pub fn places(&self) -> Places<'a> {
        Places {
            dir: self.lab.dir(),
            lists: lists(self.birth, self.lab),
            configure: self.bgp.configure_command(),
            custom: self.lab.path("custom"),
        }
    }

    /// The directory of a prefix file ("4", "4b" or "6").
    pub fn list_dir(&self, list: &str) -> PathBuf {
        lists(self.birth, self.lab).join(list).join("d")
    }

    /// The announced prefixes in a prefix file, sorted as text.
    pub fn listed(&self, list: &str) -> Vec<String> {
        let text = fs::read(self.list_dir(list).join("prefixes.conf")).unwrap_or_default();
        let mut prefixes = crate::support::prefixes::announced(&String::from_utf8_lossy(&text));
        prefixes.sort();
        prefixes
    }

    pub fn has(&self, trouble: &Trouble) -> bool {
        self.troubles.contains(trouble)
    }

    /// Whether there is a daemon that hears signals.
    pub fn daemon_works(&self) -> bool {
        !self.has(&Trouble::DaemonDead) && !self.has(&Trouble::DaemonStopped)
    }

    pub fn frozen(&self) -> bool {
        self.has(&Trouble::DiskFrozen)
    }

    /// Whether the check of a service passes.
    pub fn passes(&self, service: usize) -> bool {
        let held = self.held.iter().any(|(held, _)| *held == service);
        self.modes[service].0.passes() && !held
    }

    /// Nobody but `--watch` cares for the prefix files.
    pub fn watched_alone(&self) -> bool {
        self.birth.watched && !self.daemon_works()
    }

    pub fn watcher(&self) -> u32 {
        self.watcher.as_ref().map_or(0, Daemon::pid)
    }

    pub fn pid(&self) -> u32 {
        self.daemon.as_ref().map_or(0, Daemon::pid)
    }

    pub fn signal(&self, signal: i32) {
        // It may have ended just now, which `look` finds.
        let _ = sys::kill(self.pid(), signal);
    }

    /// Gives a file or directory to the daemon.
    pub fn give(&self, path: &Path) {
        give(self.birth, path);
    }

    pub fn set_mode(&mut self, service: usize, mode: Mode) {
        let name = SERVICES[service].name;
        self.lab.write("modes/new", &format!("{}\n", mode.word()));
        fs::rename(
            self.lab.path("modes/new"),
            self.lab.path(&format!("modes/{name}")),
        )
        .expect("rename");
        let (script, away) = (format!("check-{name}"), format!("check-{name}.away"));
        let (from, to) = match mode {
            Mode::Missing => (script, away),
            _ => (away, script),
        };
        let _ = fs::rename(self.lab.path(&from), self.lab.path(&to));
        if self.modes[service].0 == Mode::Unkillable {
            self.kill_checks(|environment| {
                environment.contains(&format!("ANYCAST_SERVICE={name}"))
            });
        }
        self.modes[service] = (mode, Instant::now());
    }

    /// Ends the checks whose environment is such.
    pub fn kill_checks(&self, such: impl Fn(&str) -> bool) {
        for pid in self.lab.processes() {
            let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
            let environment = String::from_utf8_lossy(&environment).replace('\0', "\n");
            if environment.contains("ANYCAST_SERVICE=") && such(&environment) {
                let _ = sys::kill(pid, libc::SIGKILL);
            }
        }
    }

    /// Writes all files of the configuration, each as a whole.
    pub fn write_config(&mut self) {
        self.put(
            "main.conf",
            Some(&self.written.settings_text(&self.places())),
        );
        for service in &SERVICES {
            let text = self.written.service_text(service, &self.places());
            self.put(&format!("services/{}.conf", service.name), text.as_deref());
        }
        self.troubles.retain(|t| *t != Trouble::ConfigBroken);
    }

    fn put(&self, name: &str, text: Option<&str>) {
        let path = self.lab.path(name);
        match text {
            None => drop(fs::remove_file(path)),
            Some(text) => {
                self.lab.write("draft", text);
                fs::rename(self.lab.path("draft"), path).expect("rename");
            }
        }
    }

    /// A check that is not there makes the configuration invalid.
    fn restore_checks(&mut self) {
        for service in 0..SERVICES.len() {
            if self.modes[service].0 == Mode::Missing {
                self.set_mode(service, Mode::Fail);
            }
        }
    }

    /// SIGHUP, with a valid configuration in the files.
    pub fn reload(&mut self) {
        self.restore_checks();
        self.signal(libc::SIGHUP);
        self.reloaded = Instant::now();
        // What is in its way may have it refused.
        let surely = self.daemon_works() && self.can_read_config();
        self.loaded = surely.then(|| self.written.clone());
    }

    /// Nothing keeps a valid configuration from being taken: directories that it names are there.
    pub fn can_read_config(&self) -> bool {
        self.troubles.iter().all(|trouble| {
            matches!(
                trouble,
                Trouble::BirdStopped
                    | Trouble::BirdDead
                    | Trouble::BirdSocketAway
                    | Trouble::BirdConfigBroken
                    | Trouble::DiskFull(_)
                    | Trouble::ExecHeld(_)
                    | Trouble::MaintenanceCovered
                    | Trouble::FileRevoked(_)
            )
        })
    }

    fn program(&self) -> PathBuf {
        self.lab.path("program")
    }

    /// The program of the daemon with these words, as the daemon's user.
    pub fn command(&self, program: &Path) -> Command {
        let mut command = self.lab.command(program);
        if !self.birth.as_root {
            command.uid(USER).gid(USER);
        }
        command
    }

    /// Runs the program beside the daemon; its exit status, `None` if it had to be killed.
    pub fn run_beside(&self, words: &[&str]) -> Option<i32> {
        let mut command = self.command(Path::new("timeout"));
        command
            .args(["-s", "KILL", "60"])
            .arg(self.program())
            .args(["-f", "main.conf", "-d", "services"])
            .args(words);
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let status = command.status().expect("timeout (package coreutils)");
        status.code().filter(|code| *code != 137)
    }

    /// Starts a daemon, by strace if there is a plan. Whether it is at work.
    pub fn start(&mut self, plan: Option<Plan>) -> bool {
        self.restore_checks();
        let trace = self.new_trace();
        let mut command = match &plan {
            None => self.command(&self.program()),
            Some(plan) => {
                let mut command = self.command(Path::new("strace"));
                command.arg("-D").args(plan.arguments(&trace));
                command.arg(self.program());
                command
            }
        };
        command.args(["-f", "main.conf", "-d", "services"]);
        let mut daemon = Daemon::spawn(command);
        let pid = daemon.pid();
        let ready = || self.lab.read("pid").trim() == pid.to_string();
        wait_within("the daemon works or has ended", BOUND, || {
            ready() || !is_alive(pid)
        });
        self.lines_seen = 0;
        self.descriptors = None;
        self.not_closed = 0;
        self.not_removed = false;
        self.troubles.retain(|t| *t != Trouble::DaemonDead);
        let (traced, mut may_end) = (plan.is_some(), plan.as_ref().is_some_and(|p| p.may_end));
        if let Some(plan) = plan {
            self.tracer = Tracer::of(pid, plan, trace);
            if self.tracer.is_some() {
                self.troubles.push(Trouble::Traced(Part::Daemon));
            }
        }
        if is_alive(pid) {
            self.daemon = Some(daemon);
            self.loaded =
                (!traced && !self.has(&Trouble::ConfigBroken)).then(|| self.written.clone());
            self.maintenance_unsure = traced
                || self.has(&Trouble::MaintenanceHidden)
                || self.has(&Trouble::MaintenanceAway);
            return true;
        }
        let status = daemon.wait_end();
        let said = [daemon.err.all(), daemon.out.all()].concat();
        self.diary.note(format!(
            "the start ended with {status}: {:?}",
            said.iter()
                .filter(|line| line.contains("ERROR") || !line.contains("INFO"))
                .take(3)
                .collect::<Vec<_>>()
        ));
        // Before `main` what is injected hits the dynamic linker and std, which have their own ways to end.
        let before_main = [
            "error while loading shared libraries",
            "fatal runtime error",
        ];
        let ends_so = |line: &String| before_main.iter().any(|words| line.contains(words));
        may_end |= traced && said.iter().any(ends_so);
        self.stop_tracing();
        assert!(
            may_end || status.code() == Some(1),
            "a start that fails ends with exit status 1, not with {status}: {said:?}"
        );
        self.troubles.push(Trouble::DaemonDead);
        false
    }

    /// SIGKILL, and all that a daemon cannot do any more.
    pub fn kill_daemon(&mut self) {
        self.signal(libc::SIGCONT);
        if let Some(mut daemon) = self.daemon.take() {
            daemon.kill();
        }
        self.daemon_is_gone();
    }

    pub fn daemon_is_gone(&mut self) {
        self.stop_tracing();
        self.troubles.retain(|t| {
            !matches!(
                t,
                Trouble::DaemonStopped | Trouble::DaemonLimited | Trouble::ChildStopped(_)
            )
        });
        if !self.has(&Trouble::DaemonDead) {
            self.troubles.push(Trouble::DaemonDead);
        }
        // Nobody is left to do it.
        self.kill_checks(|_| true);
    }

    pub fn new_trace(&mut self) -> PathBuf {
        self.traces += 1;
        let directory = self.lab.path("traces");
        directory.join(self.traces.to_string())
    }

    /// Ends an injection, if there is one; whether it might have ended the daemon.
    pub fn stop_tracing(&mut self) -> Option<bool> {
        self.troubles.retain(|t| !matches!(t, Trouble::Traced(_)));
        let tracer = self.tracer.take()?;
        let (plan, output) = (tracer.plan.clone(), tracer.output.clone());
        let trace = tracer.stop();
        self.take_trace(&trace, plan.part);
        let _ = fs::remove_file(output);
        if plan.starting {
            self.await_start(plan.may_end);
        }
        Some(plan.may_end)
    }

    /// A start into which something was injected goes on, or comes to its end, without it.
    fn await_start(&mut self, may_end: bool) {
        let pid = self.pid();
        if !self.daemon_works() || pid == 0 {
            return;
        }
        wait_within("the start is over", BOUND, || {
            !is_alive(pid) || ask_status().is_some()
        });
        if is_alive(pid) {
            return;
        }
        let Some(mut daemon) = self.daemon.take() else {
            return;
        };
        let status = daemon.wait_end();
        self.diary.note(format!("the start ended with {status}"));
        assert!(
            may_end || status.code() == Some(1),
            "a start that fails ends with exit status 1, not with {status}: {:?}",
            daemon.err.all()
        );
        self.daemon_is_gone();
    }

    fn take_trace(&mut self, trace: &Trace, part: Part) {
        assert!(
            trace.unknown().is_empty(),
            "the daemon makes system calls that tests/chaos/calls.rs does not know: {:?}",
            trace.unknown()
        );
        self.calls.extend(trace.calls.iter().cloned());
        self.injected += trace.injected.len();
        if part == Part::Daemon {
            self.not_closed += trace.not_closed;
        }
        self.not_removed |= trace.not_removed;
        let shown: Vec<&str> = trace
            .injected
            .iter()
            .map(|line| line.trim_end_matches(" (INJECTED)"))
            .collect();
        self.diary.note(format!(
            "injected {} times, {:?}",
            shown.len(),
            &shown[..shown.len().min(8)]
        ));
    }

    /// BIRD makes its socket for root, and takes a moment to do it; the daemon may be somebody else.
    pub fn open_socket(&self) {
        let everyone = fs::Permissions::from_mode(0o666);
        let _ = fs::set_permissions(self.bgp.control(), everyone);
    }

    /// Starts the node's BIRD again if it has ended, unless it is meant to be dead.
    pub fn keep_bird_running(&mut self) {
        if self.has(&Trouble::BirdDead) {
            return;
        }
        self.open_socket();
        if let Some(status) = self.bgp.node_has_ended() {
            let log = self.lab.read("node.log");
            let last = log.lines().last().unwrap_or_default().to_string();
            self.diary
                .note(format!("BIRD has ended ({status}), started again: {last}"));
            self.start_bird();
        }
    }

    pub fn start_bird(&mut self) {
        let _ = fs::remove_file(self.bgp.control());
        let _ = fs::remove_file(self.lab.path("node.ctl.away"));
        self.troubles.retain(|t| *t != Trouble::BirdSocketAway);
        self.bgp.start_node();
    }

    pub fn birdc(&self, words: &str) {
        let configure = self.bgp.configure_command();
        let command = configure.strip_suffix("configure").expect("birdc -s …");
        let mut run = self.lab.command("timeout");
        run.args(["-s", "KILL", "10"])
            .args(command.split_whitespace())
            .args(words.split_whitespace());
        let _ = run
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
    }
}

impl Drop for Life<'_> {
    fn drop(&mut self) {
        // A process that waits for the disk cannot be waited for.
        if self.frozen() {
            self.disk.thaw();
        }
        self.held.clear();
        let _ = self.tracer.take().map(Tracer::stop);
        for trouble in [Trouble::DaemonStopped, Trouble::BirdStopped] {
            if self.has(&trouble) {
                self.signal(libc::SIGCONT);
                self.bgp.signal_node(libc::SIGCONT);
            }
        }
        if std::thread::panicking() {
            let log = self.lab.read("disk/log/daemon.log");
            let lines: Vec<&str> = log.lines().filter(|l| !l.contains(" DEBUG ")).collect();
            let skip = lines.len().saturating_sub(40);
            eprintln!("its log file:\n    {}", lines[skip..].join("\n    "));
        }
    }
}

fn lists(birth: &Birth, lab: &Lab) -> PathBuf {
    lab.path(if birth.lists_on_disk {
        "disk/lists"
    } else {
        "lists"
    })
}

fn give(birth: &Birth, path: &Path) {
    if !birth.as_root {
        chown(path, Some(USER), Some(USER)).expect("chown");
    }
}

/// Directories, checks, prefix files.
fn prepare(birth: &Birth, lab: &Lab) {
    for part in [
        "modes",
        "maintenance",
        "traces",
        "disk/log",
        "disk/metrics",
        "disk/touched",
    ] {
        fs::create_dir_all(lab.path(part)).expect("mkdir");
        give(birth, &lab.path(part));
    }
    give(birth, lab.dir());
    for (list, variable, dummy) in [
        ("4", "ACAST_PS_ADVERTISE", "10.189.200.255/32"),
        ("4b", "MOVED", "10.189.200.255/32"),
        ("6", "ACAST6_PS_ADVERTISE", "2001:db8::1/128"),
    ] {
        let place = lists(birth, lab).join(list);
        fs::create_dir_all(&place).expect("mkdir");
        if !birth.lists_on_disk {
            sys::mount_tmpfs(&place, "128k").expect("tmpfs");
        }
        let directory = place.join("d");
        fs::create_dir(&directory).expect("mkdir");
        let file = directory.join("prefixes.conf");
        fs::write(
            &file,
            format!("# made by the test\ndefine {variable} =\n    [\n        {dummy}\n    ];\n"),
        )
        .expect("prefix file");
        for path in [&place, &directory, &file] {
            give(birth, path);
        }
        if birth.history_on_disk {
            let copies = lab.path(&format!("disk/history-{list}"));
            fs::create_dir(&copies).expect("mkdir");
            give(birth, &copies);
            symlink(copies, directory.join("history")).expect("symlink");
        }
    }
    for service in &SERVICES {
        lab.script(&format!("check-{}", service.name), checks::SCRIPT);
    }
    executable::copy(PROGRAM, lab.path("program"));
    // Becomes root, whoever starts it.
    executable::copy("/usr/bin/setpriv", lab.path("as-root"));
    fs::set_permissions(lab.path("as-root"), fs::Permissions::from_mode(0o4755)).expect("chmod");
}

/// The node's BIRD reads the lists of this test.
fn rewrite_node(lab: &Lab, lists: &Path) {
    let list = |name: &str| format!("include \"{}/{name}/d/prefixes.conf\";", lists.display());
    let text = lab
        .read("node.conf")
        .replace(
            "include \"4/prefixes.conf\";",
            &format!("{}\n{}", list("4"), list("4b")),
        )
        .replace("include \"6/prefixes.conf\";", &list("6"))
        .replace(
            "net ~ ACAST_PS_ADVERTISE",
            "net ~ ACAST_PS_ADVERTISE || net ~ MOVED",
        );
    assert!(
        text.contains("4b/d/prefixes.conf") && text.contains("|| net ~ MOVED"),
        "{text}"
    );
    lab.write("node.conf", &text);
}
