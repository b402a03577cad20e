//! What is done to a daemon: troubles that last until they are undone, and blows that are over at once.

use std::fs;
use std::io::{Read, Write};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{SocketAddr, UnixStream};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::calls::{Part, Plan, Tracer};
use super::checks::Mode;
use super::life::{BOUND, Life};
use super::model::{Config, SERVICES, ServiceConfig, Settings, all_prefixes};
use super::oracle::command_line;
use crate::support::{daemon, sys};

/// Something that is the matter until it is undone. Lists are "4", "4b" and "6".
#[derive(Clone, Debug, PartialEq)]
pub enum Trouble {
    DaemonDead,
    DaemonStopped,
    /// strace injects errors and delays.
    Traced(Part),
    /// It may open no more descriptors.
    DaemonLimited,
    /// A child of the daemon is stopped.
    ChildStopped(u32),
    BirdDead,
    BirdStopped,
    BirdSocketAway,
    BirdConfigBroken,
    DirectoryAway(&'static str),
    DirectoryReadOnly(&'static str),
    /// Nobody but root may read or write the prefix file.
    FileRevoked(&'static str),
    FileIsDirectory(&'static str),
    DiskFull(&'static str),
    /// The disk with log and metrics, and in some lives with the prefix files, answers nothing.
    DiskFrozen,
    LogAway,
    MetricsAway,
    MaintenanceAway,
    /// The daemon may not search the directory of the maintenance files.
    MaintenanceHidden,
    /// Another file system is mounted over them.
    MaintenanceCovered,
    /// The files of the configuration are not valid.
    ConfigBroken,
    /// The check of this service, by number, cannot be executed: whoever tries waits.
    ExecHeld(usize),
}

/// What is over at once, with how often it is chosen.
#[derive(Clone, Copy, Debug)]
enum Blow {
    Mode,
    Address,
    Maintenance,
    Reload,
    ChangeService,
    AddOrRemoveService,
    ChangeSettings,
    HalfWritten,
    RefusedReload,
    Signals,
    StatusClients,
    Tools,
    Drain,
    Configure,
    RestartSession,
    EditList,
    HurtChild,
    HurtHelper,
    Withdraw,
    ManyAddresses,
    Pidfile,
    LogRemoved,
    KillAndStart,
    StopAndStart,
    Kill,
}

const BLOWS: &[(u64, Blow)] = &[
    (14, Blow::Mode),
    (5, Blow::Address),
    (4, Blow::Maintenance),
    (2, Blow::Reload),
    (3, Blow::ChangeService),
    (3, Blow::AddOrRemoveService),
    (3, Blow::ChangeSettings),
    (2, Blow::HalfWritten),
    (2, Blow::RefusedReload),
    (2, Blow::Signals),
    (2, Blow::StatusClients),
    (1, Blow::Tools),
    (1, Blow::Drain),
    (2, Blow::Configure),
    (1, Blow::RestartSession),
    (6, Blow::EditList),
    (3, Blow::HurtChild),
    (3, Blow::HurtHelper),
    (2, Blow::Withdraw),
    (1, Blow::ManyAddresses),
    (1, Blow::Pidfile),
    (1, Blow::LogRemoved),
    (2, Blow::KillAndStart),
    (2, Blow::StopAndStart),
    (1, Blow::Kill),
];

impl Life<'_> {
    /// One step at random.
    pub fn step(&mut self) {
        self.steps += 1;
        let undo = !self.troubles.is_empty() && self.random.below(100) < 35;
        if undo {
            let index = self.random.below(self.troubles.len() as u64) as usize;
            let trouble = self.troubles[index].clone();
            // What is injected needs time to be met.
            if !matches!(trouble, Trouble::Traced(_)) || self.random.one_in(3) {
                self.undo(trouble);
                return;
            }
        }
        if self.random.one_in(6) && self.inject() {
            return;
        }
        // Some are impossible at present.
        for _ in 0..50 {
            let done = match self.random.one_in(3) {
                true => self.make_trouble(),
                false => self.strike(),
            };
            if done {
                return;
            }
        }
    }

    /// Errors and delays, while there is something to do.
    fn inject(&mut self) -> bool {
        let possible = self.daemon_works() && !self.frozen() && self.tracer.is_none();
        let part = self
            .random
            .pick(&[Part::Daemon, Part::Writer, Part::Starter]);
        let trouble = Trouble::Traced(part);
        if !possible || left_out(&format!("{trouble:?}")) || !self.begin(&trouble) {
            return false;
        }
        for _ in 0..self.random.between(1, 4) {
            match self.random.below(4) {
                0 => drop(self.plain_reload()),
                1 => drop(self.change_address()),
                _ => drop(self.change_mode()),
            }
            let pause = self.random.between(50, 600);
            self.pause(Duration::from_millis(pause));
        }
        true
    }

    /// One of those that are in use: nobody mends the others, without which BIRD takes nothing.
    fn list(&mut self) -> &'static str {
        let v6 = self.written.settings.ipv6 && self.random.one_in(2);
        self.written.list(v6)
    }

    /// Whether the prefix files can be touched without waiting for ever.
    fn lists_answer(&self) -> bool {
        !(self.birth.lists_on_disk && self.frozen())
    }

    /// Whether the directory of a list is as it should be.
    fn list_is_whole(&self, list: &str) -> bool {
        self.lists_answer()
            && !self.troubles.iter().any(|trouble| {
                matches!(trouble, Trouble::DirectoryAway(other) | Trouble::DirectoryReadOnly(other)
                    | Trouble::FileIsDirectory(other) | Trouble::FileRevoked(other) if *other == list)
            })
    }

    fn lists_are_whole(&self) -> bool {
        ["4", "4b", "6"].iter().all(|list| self.list_is_whole(list))
            && !self
                .troubles
                .iter()
                .any(|t| matches!(t, Trouble::DiskFull(_)))
    }

    fn make_trouble(&mut self) -> bool {
        let list = self.list();
        let service = self.random.below(SERVICES.len() as u64) as usize;
        let choice = match self.random.below(22) {
            0 | 1 => Trouble::DaemonStopped,
            2 => Trouble::DaemonLimited,
            3 => Trouble::BirdDead,
            4 => Trouble::BirdStopped,
            5 => Trouble::BirdSocketAway,
            6 => Trouble::BirdConfigBroken,
            7 => Trouble::DirectoryAway(list),
            8 => Trouble::DirectoryReadOnly(list),
            9 => Trouble::FileRevoked(list),
            10 => Trouble::FileIsDirectory(list),
            11 | 12 => Trouble::DiskFull(list),
            13 | 14 => Trouble::DiskFrozen,
            15 => Trouble::LogAway,
            16 => Trouble::MetricsAway,
            17 => Trouble::MaintenanceAway,
            18 => Trouble::MaintenanceHidden,
            19 | 20 => Trouble::ExecHeld(service),
            _ => Trouble::MaintenanceCovered,
        };
        let maintenance_hindered = [
            Trouble::MaintenanceAway,
            Trouble::MaintenanceHidden,
            Trouble::MaintenanceCovered,
        ]
        .iter()
        .any(|t| self.has(t));
        let possible = match &choice {
            Trouble::DaemonStopped | Trouble::DaemonLimited => self.daemon_works(),
            Trouble::DirectoryAway(list)
            | Trouble::DirectoryReadOnly(list)
            | Trouble::FileRevoked(list)
            | Trouble::FileIsDirectory(list) => self.list_is_whole(list),
            Trouble::DiskFull(list) => {
                self.lists_answer() && !self.has(&Trouble::DirectoryReadOnly(list))
            }
            Trouble::ExecHeld(service) => self.modes[*service].0 != Mode::Missing,
            Trouble::LogAway | Trouble::MetricsAway => !self.frozen(),
            Trouble::MaintenanceAway | Trouble::MaintenanceCovered => !maintenance_hindered,
            // Root sees everything.
            Trouble::MaintenanceHidden => !maintenance_hindered && !self.birth.as_root,
            Trouble::BirdStopped | Trouble::BirdSocketAway => {
                !self.has(&Trouble::BirdDead) && self.bgp.control().exists()
            }
            _ => true,
        };
        if !possible || self.has(&choice) || left_out(&format!("{choice:?}")) {
            return false;
        }
        self.begin(&choice)
    }

    fn begin(&mut self, trouble: &Trouble) -> bool {
        self.diary.note(format!("{trouble:?}"));
        let lab = self.lab;
        let away = |name: &str| {
            let to = format!("{name}.away");
            fs::rename(lab.path(name), lab.path(&to)).expect("rename");
        };
        match trouble {
            Trouble::DaemonStopped => self.signal(libc::SIGSTOP),
            Trouble::DaemonLimited => self.limit_descriptors("2:"),
            Trouble::Traced(part) => return self.trace(*part),
            Trouble::BirdDead => {
                self.bgp.kill_node();
                self.troubles.retain(|t| *t != Trouble::BirdStopped);
            }
            Trouble::BirdStopped => self.bgp.signal_node(libc::SIGSTOP),
            Trouble::BirdSocketAway => away("node.ctl"),
            Trouble::BirdConfigBroken => {
                let text = lab.read("node.conf");
                lab.write("node.conf", &(text + "\nprotocol nonsense {\n"));
            }
            Trouble::DirectoryAway(list) => {
                let directory = self.list_dir(list);
                fs::rename(&directory, directory.with_extension("away")).expect("rename");
            }
            Trouble::DirectoryReadOnly(list) => {
                if !self.set_read_only(list, true) {
                    return false;
                }
            }
            Trouble::FileRevoked(list) => {
                let file = self.list_dir(list).join("prefixes.conf");
                if fs::set_permissions(file, fs::Permissions::from_mode(0o0)).is_err() {
                    return false;
                }
            }
            Trouble::FileIsDirectory(list) => {
                let file = self.list_dir(list).join("prefixes.conf");
                let _ = fs::remove_file(&file);
                if fs::create_dir(&file).is_err() {
                    return false;
                }
            }
            Trouble::DiskFull(list) => {
                let filler = self.list_dir(list).with_file_name("filler");
                let file = fs::File::create(filler);
                let mut file = file.expect("it is not full yet");
                for size in [4096, 512, 1] {
                    while file.write_all(&vec![b'x'; size]).is_ok() {}
                }
            }
            Trouble::DiskFrozen => self.disk.freeze(),
            Trouble::LogAway => away("disk/log"),
            Trouble::MetricsAway => away("disk/metrics"),
            Trouble::MaintenanceAway => away("maintenance"),
            Trouble::MaintenanceHidden => {
                let mode = fs::Permissions::from_mode(0o0);
                fs::set_permissions(lab.path("maintenance"), mode).expect("chmod");
            }
            Trouble::MaintenanceCovered => {
                sys::mount_tmpfs(&lab.path("maintenance"), "64k").expect("tmpfs");
            }
            Trouble::ExecHeld(service) => {
                let check = lab.path(&format!("check-{}", SERVICES[*service].name));
                let held = sys::hold_exec(&check).expect("fanotify (root)");
                self.held.push((*service, held));
            }
            Trouble::DaemonDead | Trouble::ChildStopped(_) | Trouble::ConfigBroken => {
                unreachable!("a blow does this")
            }
        }
        self.troubles.push(trouble.clone());
        // A reload that was on its way may meet it.
        if !self.can_read_config() && self.reloaded.elapsed() < Duration::from_secs(5) {
            self.loaded = None;
        }
        true
    }

    /// Ends a trouble.
    pub fn undo(&mut self, trouble: Trouble) {
        // What waits for the disk would hold up the test.
        if self.frozen() && trouble != Trouble::DiskFrozen {
            self.undo(Trouble::DiskFrozen);
        }
        self.diary.note(format!("no longer {trouble:?}"));
        let lab = self.lab;
        let back = |name: &str| {
            let from = format!("{name}.away");
            fs::rename(lab.path(&from), lab.path(name)).expect("rename");
        };
        self.troubles.retain(|t| *t != trouble);
        match trouble {
            Trouble::DaemonDead => {
                if self.has(&Trouble::ConfigBroken) {
                    self.write_config();
                }
                let plan = self
                    .random
                    .one_in(2)
                    .then(|| Plan::new(&mut self.random, Part::Daemon, true));
                if let Some(plan) = &plan {
                    self.diary.note(format!("started with {:?}", plan.words));
                }
                self.start(plan);
            }
            Trouble::DaemonStopped => self.signal(libc::SIGCONT),
            Trouble::Traced(_) => drop(self.stop_tracing()),
            Trouble::DaemonLimited => self.limit_descriptors("1024:"),
            Trouble::ChildStopped(pid) => drop(sys::kill(pid, libc::SIGCONT)),
            Trouble::BirdDead => self.start_bird(),
            Trouble::BirdStopped => self.bgp.signal_node(libc::SIGCONT),
            Trouble::BirdSocketAway => back("node.ctl"),
            Trouble::BirdConfigBroken => {
                let text = lab.read("node.conf");
                lab.write("node.conf", &text.replace("\nprotocol nonsense {\n", ""));
            }
            Trouble::DirectoryAway(list) => {
                let directory = self.list_dir(list);
                // Somebody may have made it meanwhile.
                let _ = fs::remove_dir_all(&directory);
                fs::rename(directory.with_extension("away"), directory).expect("rename");
            }
            Trouble::DirectoryReadOnly(list) => drop(self.set_read_only(list, false)),
            Trouble::FileRevoked(list) => {
                let file = self.list_dir(list).join("prefixes.conf");
                let _ = fs::set_permissions(file, fs::Permissions::from_mode(0o644));
            }
            Trouble::FileIsDirectory(list) => {
                let _ = fs::remove_dir(self.list_dir(list).join("prefixes.conf"));
            }
            Trouble::DiskFull(list) => {
                let filler = self.list_dir(list).with_file_name("filler");
                let read_only = Trouble::DirectoryReadOnly(list);
                if self.has(&read_only) {
                    self.undo(read_only);
                }
                fs::remove_file(filler).expect("remove");
            }
            Trouble::DiskFrozen => self.disk.thaw(),
            Trouble::LogAway => back("disk/log"),
            Trouble::MetricsAway => back("disk/metrics"),
            Trouble::MaintenanceAway => {
                let _ = fs::remove_dir_all(lab.path("maintenance"));
                back("maintenance");
                self.maintenance_unsure = false;
            }
            Trouble::MaintenanceHidden => {
                let mode = fs::Permissions::from_mode(0o755);
                fs::set_permissions(lab.path("maintenance"), mode).expect("chmod");
                self.maintenance_unsure = false;
            }
            Trouble::MaintenanceCovered => {
                sys::unmount(&lab.path("maintenance")).expect("umount");
            }
            Trouble::ConfigBroken => {
                self.write_config();
                self.reload();
            }
            Trouble::ExecHeld(service) => {
                self.held.retain(|(held, _)| *held != service);
                self.modes[service].1 = Instant::now();
            }
        }
    }

    fn limit_descriptors(&self, limit: &str) {
        let status = Command::new("prlimit")
            .arg(format!("--pid={}", self.pid()))
            .arg(format!("--nofile={limit}"))
            .stderr(Stdio::null())
            .status();
        status.expect("prlimit (package util-linux)");
    }

    fn set_read_only(&self, list: &str, read_only: bool) -> bool {
        let directory = self.list_dir(list);
        if !self.birth.as_root {
            let mode = if read_only { 0o555 } else { 0o755 };
            return fs::set_permissions(directory, fs::Permissions::from_mode(mode)).is_ok();
        }
        let mount = directory.parent().expect("it has one");
        // The one disk holds more than this list.
        !self.birth.lists_on_disk && sys::remount(mount, read_only).is_ok()
    }

    /// The process that is this part of the daemon; `None` if there is none at present.
    fn pid_of(&self, part: Part) -> Option<u32> {
        let daemon = self.daemon.as_ref()?;
        match part {
            Part::Daemon => Some(daemon.pid()),
            Part::Writer => daemon.writers().first().copied(),
            Part::Starter => daemon.find_starter(),
        }
    }

    fn trace(&mut self, part: Part) -> bool {
        let Some(pid) = self.pid_of(part) else {
            return false;
        };
        let plan = Plan::new(&mut self.random, part, false);
        self.diary.note(format!("{:?}", plan.words));
        let output = self.new_trace();
        let mut strace = self.lab.command("strace");
        strace
            .args(plan.arguments(&output))
            .args(["-p", &pid.to_string()]);
        let child = strace
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        let mut child = child.expect("strace (package strace)");
        self.tracer = Tracer::of(pid, plan, output);
        // Reaps it at its end.
        std::thread::spawn(move || child.wait());
        if self.tracer.is_some() {
            self.troubles.push(Trouble::Traced(part));
            self.children_held |= part == Part::Starter;
        }
        self.tracer.is_some()
    }

    fn strike(&mut self) -> bool {
        let whole: u64 = BLOWS.iter().map(|(weight, _)| weight).sum();
        let mut place = self.random.below(whole);
        let chosen = BLOWS.iter().find(|(weight, _)| {
            let here = place < *weight;
            place = place.saturating_sub(*weight);
            here
        });
        let (_, blow) = *chosen.expect("below the sum of the weights");
        if left_out(&format!("{blow:?}")) {
            return false;
        }
        let works = self.daemon_works();
        match blow {
            Blow::Mode => self.change_mode(),
            Blow::Address => self.change_address(),
            Blow::Maintenance => self.change_maintenance(),
            Blow::Reload => works && self.plain_reload(),
            Blow::ChangeService => works && self.change_service(),
            Blow::AddOrRemoveService => works && self.add_or_remove_service(),
            Blow::ChangeSettings => works && self.change_settings(),
            Blow::HalfWritten => works && self.write_by_halves(),
            Blow::RefusedReload => works && self.refused_reload(),
            Blow::Signals => works && self.many_signals(),
            Blow::StatusClients => works && self.many_clients(),
            Blow::Tools => self.tools(),
            Blow::Drain => works && self.drain(),
            Blow::Configure => self.configure_by_hand(),
            Blow::RestartSession => self.restart_session(),
            Blow::EditList => self.edit_list(),
            Blow::HurtChild => works && self.hurt_child(),
            Blow::HurtHelper => works && self.hurt_helper(),
            Blow::Withdraw => self.withdraw(),
            Blow::ManyAddresses => self.many_addresses(),
            Blow::Pidfile => works && self.spoil_pidfile(),
            Blow::LogRemoved => self.remove_log(),
            Blow::KillAndStart => !self.has(&Trouble::DaemonDead) && self.kill_and_start(),
            Blow::StopAndStart => works && self.stop_and_start(),
            Blow::Kill => {
                !self.has(&Trouble::DaemonDead) && {
                    self.diary.note("SIGKILL");
                    self.kill_daemon();
                    true
                }
            }
        }
    }

    /// Something changes for sure, and what nothing hinders must come about.
    pub fn challenge(&mut self) {
        for _ in 0..self.random.between(1, 2) {
            let service = self.random.below(SERVICES.len() as u64) as usize;
            let mode = match self.modes[service].0.passes() {
                true if left_out("Unkillable") => Mode::Fail,
                true => self
                    .random
                    .pick(&[Mode::Fail, Mode::Fail, Mode::Die, Mode::Unkillable]),
                false => Mode::Pass,
            };
            self.diary
                .note(format!("{}: {mode:?}", SERVICES[service].name));
            self.set_mode(service, mode);
        }
        self.expect();
    }

    fn change_mode(&mut self) -> bool {
        let service = self.random.below(SERVICES.len() as u64) as usize;
        let mode = match self.random.below(3) {
            0 => Mode::Pass,
            1 => Mode::Fail,
            _ => self.random.pick(&Mode::ALL),
        };
        if mode == self.modes[service].0 || left_out(&format!("{mode:?}")) {
            return false;
        }
        self.diary
            .note(format!("{}: {mode:?}", SERVICES[service].name));
        self.set_mode(service, mode);
        true
    }

    fn change_address(&mut self) -> bool {
        let prefix = self.random.pick(&all_prefixes());
        let back = self.addresses_away.remove(prefix);
        if !back {
            self.addresses_away.insert(prefix);
        }
        let verb = if back { "add" } else { "del" };
        self.diary.note(format!("addr {verb} {prefix}"));
        self.lab.ip(&format!("addr {verb} {prefix} dev lo"));
        true
    }

    fn change_maintenance(&mut self) -> bool {
        if self.has(&Trouble::MaintenanceAway) || self.has(&Trouble::MaintenanceHidden) {
            return false;
        }
        let name = self.random.pick(&SERVICES).name;
        let path = self.lab.path("maintenance").join(name);
        if fs::remove_file(&path).is_ok() {
            self.diary.note(format!("{name}: no maintenance"));
        } else {
            self.diary.note(format!("{name}: maintenance"));
            fs::write(&path, "").expect("maintenance file");
            self.give(&path);
        }
        true
    }

    fn plain_reload(&mut self) -> bool {
        if self.has(&Trouble::ConfigBroken) {
            return false;
        }
        self.diary.note("SIGHUP");
        self.reload();
        true
    }

    /// Takes another configuration into the files and has it loaded.
    fn take(&mut self, config: Config) {
        self.written = config;
        self.write_config();
        self.reload();
    }

    fn change_service(&mut self) -> bool {
        let mut config = self.written.clone();
        let name = self.random.pick(&SERVICES).name;
        let Some(service) = config.services.get_mut(name) else {
            return false;
        };
        *service = ServiceConfig::new(&mut self.random, self.birth.customs);
        self.diary.note(format!("{name}: {service:?}, SIGHUP"));
        self.take(config);
        true
    }

    fn add_or_remove_service(&mut self) -> bool {
        let mut config = self.written.clone();
        let name = self.random.pick(&SERVICES).name;
        if config.services.remove(name).is_none() {
            let service = ServiceConfig::new(&mut self.random, self.birth.customs);
            config.services.insert(name, service);
            self.diary.note(format!("{name} is added, SIGHUP"));
        } else {
            self.diary.note(format!("{name} is removed, SIGHUP"));
        }
        self.take(config);
        true
    }

    fn change_settings(&mut self) -> bool {
        let mut config = self.written.clone();
        let (ipv6, moved) = (config.settings.ipv6, config.settings.moved);
        config.settings = Settings::new(&mut self.random);
        config.settings.metrics &= !left_out("metrics");
        // What moves from one file to another must be withdrawn from the old one.
        let movable = self.lists_are_whole() && self.is_unhindered();
        config.settings.ipv6 = ipv6 ^ (movable && !left_out("ipv6") && self.random.one_in(4));
        config.settings.moved = moved ^ (movable && !left_out("moved") && self.random.one_in(4));
        self.diary.note(format!("{:?}, SIGHUP", config.settings));
        self.take(config);
        true
    }

    /// A file that is written in place, and read when half of it is there.
    fn write_by_halves(&mut self) -> bool {
        if self.has(&Trouble::ConfigBroken) {
            return false;
        }
        let service = &self.random.pick(&SERVICES);
        let text = self.written.service_text(service, &self.places());
        let Some(text) = text else { return false };
        let at = match (service.name, self.random.one_in(3)) {
            ("cut", false) => text.rfind("10.60.0.12").expect("its prefix") + "10.60.0.1".len(),
            _ => self.random.below(text.len() as u64) as usize,
        };
        let (first, rest) = text.split_at(at);
        self.diary
            .note(format!("{} is written up to {at}, SIGHUP", service.name));
        let path = self.lab.path(&format!("services/{}.conf", service.name));
        let mut file = fs::File::create(path).expect("service file");
        file.write_all(first.as_bytes()).expect("write");
        self.signal(libc::SIGHUP);
        self.loaded = None;
        let pause = self.random.between(5, 700);
        self.pause(Duration::from_millis(pause));
        file.write_all(rest.as_bytes()).expect("write");
        drop(file);
        self.diary
            .note(format!("{} is written, SIGHUP", service.name));
        self.reload();
        true
    }

    /// A configuration that is not valid: the old one stays in force.
    fn refused_reload(&mut self) -> bool {
        let damage = self.random.below(3);
        self.diary.note(format!("broken ({damage}), SIGHUP"));
        match damage {
            0 => drop(
                self.lab
                    .write("services/broken.conf", "[broken]\nno prefix\n"),
            ),
            1 => {
                let text = self.lab.read("main.conf");
                self.lab
                    .write("main.conf", &(text + "bird_update_interval = soon\n"));
            }
            _ => {
                // The directory is away for a moment.
                let (here, away) = (self.lab.path("services"), self.lab.path("services.away"));
                fs::rename(&here, &away).expect("rename");
                self.signal(libc::SIGHUP);
                let pause = self.random.between(100, 400);
                self.pause(Duration::from_millis(pause));
                fs::rename(&away, &here).expect("rename");
                // A daemon that is held up may look when it is back.
                return true;
            }
        }
        self.signal(libc::SIGHUP);
        let broken = self.lab.path("services/broken.conf");
        if damage == 0 {
            let pause = self.random.between(100, 400);
            self.pause(Duration::from_millis(pause));
            fs::remove_file(broken).expect("remove");
        } else {
            self.troubles.retain(|t| *t != Trouble::ConfigBroken);
            self.troubles.push(Trouble::ConfigBroken);
        }
        true
    }

    fn many_signals(&mut self) -> bool {
        let hangup = !self.has(&Trouble::ConfigBroken) && self.random.one_in(2);
        let count = self.random.between(20, 400);
        self.diary
            .note(format!("{count} SIGURG, SIGHUP as well: {hangup}"));
        for _ in 0..count {
            self.signal(libc::SIGURG);
            if hangup {
                self.signal(libc::SIGHUP);
            }
        }
        if hangup {
            self.reload();
        }
        true
    }

    /// Clients of the status socket that do not read, that send rubbish, that go at once.
    fn many_clients(&mut self) -> bool {
        let count = self.random.between(5, 40);
        self.diary.note(format!("{count} clients"));
        let name = SocketAddr::from_abstract_name("anycast-healthchecker.status").expect("address");
        let kind = self.random.below(3);
        // Connecting may block, while the daemon is held up.
        std::thread::spawn(move || {
            let streams = (0..count).filter_map(|_| UnixStream::connect_addr(&name).ok());
            for mut stream in streams.collect::<Vec<_>>() {
                let _ = stream.set_read_timeout(Some(Duration::from_secs(2)));
                match kind {
                    0 => drop(stream.write(b"GET / HTTP/1.0\r\n\r\n")),
                    1 => drop(stream.read_to_end(&mut Vec::new())),
                    _ => {}
                }
            }
        });
        true
    }

    /// The program beside its daemon, for an operator who looks.
    fn tools(&mut self) -> bool {
        let word = self.random.pick(&["-c", "-P", "-s", "-t"]);
        // What waits for the disk, and what cannot be killed, holds up `-t` as well.
        let stuck = self
            .modes
            .iter()
            .any(|(mode, _)| matches!(mode, Mode::Unkillable | Mode::Hang | Mode::Stop))
            || !self.held.is_empty();
        if self.frozen() || word == "-t" && stuck || self.has(&Trouble::DaemonStopped) {
            return false;
        }
        self.diary.note(format!("the program with {word}"));
        let ended = self.run_beside(&[word]);
        assert!(ended.is_some(), "{word} does not end");
        true
    }

    /// `--drain` and `--undrain`, which wait until it is done.
    fn drain(&mut self) -> bool {
        let service = &self.random.pick(&SERVICES);
        let known = self.loaded.as_ref().is_some_and(|config| {
            let found = config.services.get(service.name);
            found.is_some_and(|found| found.disabled.is_none())
                && !config.prefixes(service).is_empty()
        });
        let maintenance = self.lab.path("maintenance").join(service.name);
        if !self.troubles.is_empty() || !self.is_unhindered() || !known || maintenance.exists() {
            return false;
        }
        for word in ["--drain", "--undrain"] {
            self.diary.note(format!("{word} {}", service.name));
            let ended = self.run_beside(&[word, service.name]);
            assert_eq!(ended, Some(0), "{word} {}", service.name);
            if word == "--drain" {
                self.expect();
            }
        }
        true
    }

    fn configure_by_hand(&mut self) -> bool {
        if self.has(&Trouble::BirdStopped) || self.has(&Trouble::BirdDead) {
            return false;
        }
        let words = self
            .random
            .pick(&["configure", "configure soft", "configure timeout 20"]);
        let count = self.random.between(1, 3);
        self.diary.note(format!("birdc {words}, {count} times"));
        for _ in 0..count {
            self.birdc(words);
        }
        true
    }

    fn restart_session(&mut self) -> bool {
        if self.has(&Trouble::BirdStopped) || self.has(&Trouble::BirdDead) {
            return false;
        }
        let protocol = self.random.pick(&["up4", "up6", "direct1"]);
        self.diary.note(format!("birdc restart {protocol}"));
        self.birdc(&format!("restart {protocol}"));
        true
    }

    /// Another program's change to a prefix file, of which BIRD may be told.
    fn edit_list(&mut self) -> bool {
        let list = self.list();
        if !self.list_is_whole(list) {
            return false;
        }
        let file = self.list_dir(list).join("prefixes.conf");
        let Ok(text) = fs::read_to_string(&file) else {
            return false;
        };
        let kind = self.random.below(8);
        self.diary.note(format!("edit {kind} of {list}"));
        let dummy = if list == "6" {
            "2001:db8::1/128"
        } else {
            "10.189.200.255/32"
        };
        let define = text.lines().find(|line| line.contains("define"));
        let define = define.unwrap_or("define NOTHING =").to_string();
        let draft = file.with_file_name("draft");
        let written = match kind {
            // Emptied, as configuration management does it.
            0 => fs::write(&draft, format!("{define} [ {dummy} ];\n"))
                .and_then(|()| fs::rename(&draft, &file)),
            1 => fs::write(&file, format!("{define} [ {dummy} ];\n")),
            // All of ours, whatever the checks say.
            2 => {
                let ours = all_prefixes()
                    .into_iter()
                    .filter(|p| p.contains(':') == (list == "6"));
                let ours: Vec<_> = ours.chain([dummy]).collect();
                fs::write(&file, format!("{define} [ {} ];\n", ours.join(", ")))
            }
            3 => fs::write(&file, ""),
            4 => fs::write(&file, &text[..text.len() / 2]),
            5 => fs::remove_file(&file),
            6 => fs::write(&file, "no list at all\n"),
            // A link to itself would be somebody's mistake, which lasts.
            _ if file.is_symlink() => return false,
            _ => {
                let target = file.with_file_name("target");
                let linked = fs::rename(&file, &target)
                    .and_then(|()| std::os::unix::fs::symlink("target", &draft))
                    .and_then(|()| fs::rename(&draft, &file));
                let _ = fs::remove_file(&draft);
                linked
            }
        };
        if let Err(error) = written {
            // The disk is full.
            self.diary.note(format!("that is not possible: {error}"));
            let _ = fs::remove_file(&draft);
        }
        if self.random.one_in(2)
            && !self.has(&Trouble::BirdStopped)
            && !self.has(&Trouble::BirdDead)
        {
            self.diary.note("birdc configure");
            self.birdc("configure");
        }
        true
    }

    fn hurt_child(&mut self) -> bool {
        let Some(daemon) = &self.daemon else {
            return false;
        };
        let writers = daemon.writers();
        let mut children = daemon.children();
        children.retain(|child| !writers.contains(child));
        if children.is_empty() {
            return false;
        }
        let child = self.random.pick(&children);
        let stop = self.random.one_in(2);
        let kind = if stop { libc::SIGSTOP } else { libc::SIGKILL };
        self.diary
            .note(format!("a child, {child}, stopped: {stop}"));
        // Nobody knows what the files hold.
        if command_line(child).contains("--read-configuration") {
            self.loaded = None;
        }
        let _ = sys::kill(child, kind);
        if stop && daemon::is_alive(child) {
            self.troubles.push(Trouble::ChildStopped(child));
            self.children_held = true;
        }
        true
    }

    /// A process that the daemon needs is killed or stopped. One that writes is given up after a while; without the one
    /// that starts children there are none.
    fn hurt_helper(&mut self) -> bool {
        let part = self.random.pick(&[Part::Writer, Part::Starter]);
        let Some(pid) = self.pid_of(part) else {
            return false;
        };
        let stop = self.random.one_in(2);
        let signal = if stop { libc::SIGSTOP } else { libc::SIGKILL };
        self.diary
            .note(format!("the {part:?}, {pid}, stopped: {stop}"));
        let _ = sys::kill(pid, signal);
        if part == Part::Starter {
            self.children_held = true;
            if stop {
                self.troubles.push(Trouble::ChildStopped(pid));
            }
        }
        true
    }

    /// `--withdraw`: leaves a daemon that works alone, and withdraws everything if there is none.
    fn withdraw(&mut self) -> bool {
        let alone = self.troubles == [Trouble::DaemonDead];
        if !alone && !self.troubles.is_empty() {
            return false;
        }
        self.diary.note(format!("--withdraw, alone: {alone}"));
        let ended = self.run_beside(&["--withdraw"]);
        assert_eq!(ended, Some(0), "--withdraw");
        if alone {
            self.wait(BOUND, "withdrawn", |life| life.learned());
        }
        true
    }

    fn many_addresses(&mut self) -> bool {
        let count = self.random.between(100, 2000);
        self.diary
            .note(format!("{count} addresses come, flap and go"));
        let line =
            |verb: &str, n: u64| format!("addr {verb} 10.70.{}.{}/32 dev lo\n", n / 250, n % 250);
        for verb in ["add", "del"] {
            let lines: String = (0..count).map(|n| line(verb, n)).collect();
            self.lab.ip_batch(&lines);
        }
        true
    }

    fn spoil_pidfile(&mut self) -> bool {
        let text = self
            .random
            .pick(&["", "0\n", "-1\n", "999999999\n", "none\n"]);
        self.diary.note(format!("pidfile: {text:?}"));
        if text.is_empty() {
            let _ = fs::remove_file(self.lab.path("pid"));
        } else {
            self.lab.write("pid", text);
        }
        true
    }

    fn remove_log(&mut self) -> bool {
        if self.frozen() || self.has(&Trouble::LogAway) || self.has(&Trouble::MetricsAway) {
            return false;
        }
        self.diary.note("log and metrics are removed");
        let _ = fs::remove_file(self.lab.path("disk/log/daemon.log"));
        let metrics = self.lab.path("disk/metrics/anycast_healthchecker.prom");
        let _ = fs::remove_file(metrics);
        true
    }

    fn kill_and_start(&mut self) -> bool {
        if self.has(&Trouble::ConfigBroken) {
            return false;
        }
        self.diary.note("SIGKILL and start");
        self.kill_daemon();
        self.start(None);
        true
    }

    fn stop_and_start(&mut self) -> bool {
        if self.has(&Trouble::ConfigBroken) {
            return false;
        }
        self.diary.note("SIGTERM and start");
        self.stop();
        self.start(None);
        true
    }

    /// SIGTERM and its end, whatever is the matter.
    pub fn stop(&mut self) {
        let (unhindered, loaded) = (self.is_unhindered(), self.loaded.clone());
        self.signal(libc::SIGTERM);
        let Some(mut daemon) = self.daemon.take() else {
            return;
        };
        let begin = Instant::now();
        while daemon.is_running() {
            assert!(
                begin.elapsed() < BOUND,
                "SIGTERM has not ended the daemon within {BOUND:?}"
            );
            std::thread::sleep(Duration::from_millis(20));
        }
        let status = daemon.wait_end();
        let injected = self.tracer.is_some() || self.has(&Trouble::DaemonLimited);
        assert!(
            status.success() || injected,
            "SIGTERM ended the daemon with {status}: {:?}",
            daemon.err.all()
        );
        if !injected && !self.frozen() {
            self.wait(BOUND, "rid of what checks have started", |life| {
                life.left_by_checks()
            });
        }
        self.daemon_is_gone();
        let withdraws = loaded.is_some_and(|config| config.settings.on_exit == "withdraw");
        if unhindered && withdraws {
            self.diary.note("expect the withdrawal by on_exit");
            self.wait(BOUND, "withdrawn by on_exit", |life| life.learned());
        }
    }

    /// Goes on after some milliseconds, with an eye on what must always hold.
    pub fn pause(&mut self, span: Duration) {
        let begin = Instant::now();
        loop {
            self.look();
            let left = span.saturating_sub(begin.elapsed());
            if left.is_zero() {
                return;
            }
            std::thread::sleep(left.min(Duration::from_millis(50)));
        }
    }
}

/// To find out what a failure needs, kinds of steps can be left out: `CHAOS_WITHOUT=EditList,DiskFrozen`.
pub fn left_out(step: &str) -> bool {
    let kinds = std::env::var("CHAOS_WITHOUT").unwrap_or_default();
    let mut kinds = kinds.split(',').filter(|kind| !kind.is_empty());
    kinds.any(|kind| step.starts_with(kind))
}
