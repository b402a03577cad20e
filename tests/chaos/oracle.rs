//! What must be announced, and whether the peer has it.

use std::collections::BTreeSet;
use std::fs;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use super::calls::Part;
use super::life::{BOUND, Life};
use super::model::{SERVICES, Service, all_prefixes, is_v6};
use super::steps::Trouble;
use crate::support::bgp::prefixes_of;
use crate::support::{daemon, status};

/// Whether a prefix must be announced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Must {
    /// The worst of its services counts.
    BeOut,
    /// Nobody can say at present.
    Either,
    BeIn,
}

/// Which changes cannot be expected to reach the peer at present.
#[derive(Default)]
struct Hindered {
    announce: [bool; 2],
    withdraw: [bool; 2],
}

impl Life<'_> {
    /// Whether the service must be up, for itself.
    fn service_must(&self, index: usize, service: &Service) -> Must {
        let Some(loaded) = &self.loaded else {
            return Must::Either;
        };
        let prefixes = loaded.prefixes(service);
        let Some(config) = loaded.services.get(service.name) else {
            return Must::BeOut;
        };
        let maintenance = |directory: &str| {
            let file = self.lab.path(directory).join(service.name);
            file.exists()
        };
        match config.disabled {
            // Maintenance of a service that is switched off: see the manual.
            Some("advertise") if maintenance("maintenance") => return Must::Either,
            Some("advertise") => return Must::BeIn,
            Some(_) => return Must::BeOut,
            None => {}
        }
        if prefixes.iter().any(|p| self.addresses_away.contains(p)) {
            return Must::BeOut;
        }
        if maintenance("maintenance") {
            // A daemon that could not look may not know.
            return match self.maintenance_unsure {
                true => Must::Either,
                false => Must::BeOut,
            };
        }
        if self.has(&Trouble::MaintenanceAway) && maintenance("maintenance.away") {
            return Must::Either;
        }
        let frozen = service.name == "disk" && self.frozen();
        match self.passes(index) && !frozen {
            true => Must::BeIn,
            false => Must::BeOut,
        }
    }

    /// Whether a prefix must be in the peer's table if nothing hinders.
    fn must(&self, prefix: &str) -> Must {
        if self.addresses_away.contains(prefix) || self.watched_alone() {
            return Must::BeOut;
        }
        self.must_be_listed(prefix)
    }

    /// The same for the prefix file.
    fn must_be_listed(&self, prefix: &str) -> Must {
        let Some(loaded) = &self.loaded else {
            return Must::Either;
        };
        let owners = SERVICES
            .iter()
            .enumerate()
            .filter(|(_, service)| loaded.prefixes(service).contains(&prefix))
            .map(|(index, service)| self.service_must(index, service));
        owners.min().unwrap_or(Must::BeOut)
    }

    fn hindered(&self) -> Hindered {
        let mut hindered = Hindered::default();
        let both = [true; 2];
        for trouble in &self.troubles {
            match trouble {
                Trouble::DaemonDead | Trouble::DaemonStopped if self.birth.watched => {
                    hindered.announce = both;
                }
                Trouble::DaemonDead
                | Trouble::DaemonStopped
                | Trouble::Traced(_)
                | Trouble::DaemonLimited
                | Trouble::BirdDead
                | Trouble::BirdStopped
                | Trouble::BirdSocketAway
                | Trouble::BirdConfigBroken
                // A BIRD that finds no file to include takes nothing.
                | Trouble::DirectoryAway(_)
                | Trouble::FileIsDirectory(_) => {
                    hindered.announce = both;
                    hindered.withdraw = both;
                }
                Trouble::ChildStopped(_) => {
                    hindered.announce = both;
                    hindered.withdraw = both;
                }
                Trouble::DirectoryReadOnly(list) => {
                    hindered.announce[usize::from(*list == "6")] = true;
                    hindered.withdraw[usize::from(*list == "6")] = true;
                }
                // A withdrawal needs no room.
                Trouble::DiskFull(list) => match self.birth.lists_on_disk {
                    true => hindered.announce = both,
                    false => hindered.announce[usize::from(*list == "6")] = true,
                },
                Trouble::DiskFrozen => {
                    if self.birth.lists_on_disk {
                        hindered.announce = both;
                        hindered.withdraw = both;
                    }
                }
                Trouble::FileRevoked(_)
                | Trouble::LogAway
                | Trouble::MetricsAway
                | Trouble::MaintenanceAway
                | Trouble::MaintenanceHidden
                | Trouble::MaintenanceCovered
                | Trouble::ConfigBroken
                | Trouble::ExecHeld(_) => {}
            }
        }
        hindered
    }

    /// Nothing keeps a change from the peer.
    pub fn is_unhindered(&self) -> bool {
        let hindered = self.hindered();
        self.loaded.is_some()
            && ![hindered.announce, hindered.withdraw]
                .concat()
                .contains(&true)
    }

    /// What the peer has, sorted as text.
    pub fn learned(&self) -> Vec<String> {
        prefixes_of(&self.ask_peer("show route"))
    }

    /// The peer's counters of updates and withdrawals, which stay the same as long as no route moves.
    pub fn moves(&self) -> Vec<String> {
        let text = self.ask_peer("show protocols all");
        let counters = |line: &&str| {
            ["Import updates:", "Import withdraws:"]
                .iter()
                .any(|w| line.contains(w))
        };
        let lines: Vec<String> = text.lines().filter(counters).map(String::from).collect();
        assert_eq!(lines.len(), 4, "counters of both sessions: {text}");
        lines
    }

    fn ask_peer(&self, question: &str) -> String {
        let reply = ask_bird(&self.lab.path("peer.ctl"), question);
        reply.expect("the peer answers")
    }

    /// What is wrong at the peer, given what hinders.
    fn wrong_at_peer(&self) -> Vec<String> {
        let (hindered, learned) = (self.hindered(), self.learned());
        let mut wrong = Vec::new();
        for prefix in all_prefixes() {
            let family = usize::from(is_v6(prefix));
            match (self.must(prefix), learned.iter().any(|p| p == prefix)) {
                (Must::BeIn, false) if !hindered.announce[family] => {
                    wrong.push(format!("{prefix} is not announced"));
                }
                (Must::BeOut, true) if !hindered.withdraw[family] => {
                    wrong.push(format!("{prefix} is announced"));
                }
                _ => {}
            }
        }
        wrong
    }

    /// What holds at any time: the daemon lives, no prefix is announced that no service has.
    pub fn look(&mut self) {
        self.keep_bird_running();
        let known = all_prefixes();
        let unknown = |found: &str, prefixes: Vec<String>| {
            let odd: Vec<_> = prefixes
                .into_iter()
                .filter(|prefix| !known.contains(&prefix.as_str()))
                .collect();
            assert!(odd.is_empty(), "{found} has {odd:?}, which no service has");
        };
        unknown("the peer", self.learned());
        let lists_hang = self.birth.lists_on_disk && self.frozen();
        for list in ["4", "4b", "6"] {
            if !lists_hang {
                unknown("a prefix file", self.listed(list));
            }
        }
        let mut daemon = self.daemon.as_mut();
        let ended = daemon.take_if(|daemon| !daemon.is_running());
        if let Some(daemon) = ended {
            let status = daemon.wait_end();
            let said = daemon.err.all().join("\n");
            let plan = self.tracer.as_ref().map(|t| t.plan.clone());
            let may_end = plan
                .as_ref()
                .is_some_and(|plan| plan.may_end || plan.starting && status.code() == Some(1));
            if !may_end {
                self.stop_tracing();
                panic!("the daemon has ended by itself: {status}, {said} {plan:?}");
            }
            self.diary.note(format!(
                "what is injected has ended the daemon: {status}, {said}"
            ));
            self.daemon = None;
            self.daemon_is_gone();
        }
    }

    /// Waits until what can be expected has come about.
    pub fn expect(&mut self) {
        self.diary.note(format!("expect {}", self.wanted()));
        // Its pauses after failures are longer.
        let limit = if self.watched_alone() {
            3 * BOUND
        } else {
            BOUND
        };
        self.wait(limit, "as expected", |life| life.wrong_at_peer());
        let held_up = [Trouble::Traced(Part::Daemon), Trouble::DaemonLimited];
        if self.daemon_works() && !held_up.iter().any(|trouble| self.has(trouble)) {
            self.wait(BOUND, "answered", |_| match ask_status() {
                Some(_) => Vec::new(),
                None => vec!["the daemon does not answer".into()],
            });
        }
    }

    /// What must be announced, in words.
    fn wanted(&self) -> String {
        let hindered = self.hindered();
        let mut words = Vec::new();
        for prefix in all_prefixes() {
            let family = usize::from(is_v6(prefix));
            words.push(match self.must(prefix) {
                Must::BeIn if !hindered.announce[family] => format!("+{prefix}"),
                Must::BeOut if !hindered.withdraw[family] => format!("-{prefix}"),
                _ => format!("?{prefix}"),
            });
        }
        words.join(" ")
    }

    /// Waits until nothing is wrong.
    pub fn wait(&mut self, limit: Duration, what: &str, wrong: impl Fn(&Life) -> Vec<String>) {
        let begin = Instant::now();
        loop {
            self.look();
            let found = wrong(self);
            if !found.is_empty() {
                self.configure_for_customs();
            }
            if found.is_empty() {
                let took = begin.elapsed();
                if took > Duration::from_secs(10) {
                    self.diary.note(format!("that took {took:?}"));
                }
                return;
            }
            if begin.elapsed() > limit {
                panic!(
                    "not {what} within {limit:?}: {found:?}\n\
                     wanted: {}\nthe peer has {:?}\ntroubles {:?}\nmodes {:?}\nthe daemon goes by {:?}\nstatus: {}",
                    self.wanted(),
                    self.learned(),
                    self.troubles,
                    self.modes.iter().map(|(mode, _)| mode).collect::<Vec<_>>(),
                    self.loaded,
                    ask_status().map_or("no answer".into(), |d| format!("{:?}", d.services)),
                );
            }
            std::thread::sleep(Duration::from_millis(40));
        }
    }

    /// What fails of a service's own command is not done again, so an operator does it here.
    fn configure_for_customs(&mut self) {
        let answers = !self.has(&Trouble::BirdDead) && !self.has(&Trouble::BirdStopped);
        if self.birth.customs && answers && self.configured.elapsed() > Duration::from_secs(1) {
            self.birdc("configure");
            self.configured = Instant::now();
        }
    }

    /// All that must hold when nothing disturbs.
    pub fn wrong_in_calm(&self, old: &[u32]) -> Vec<String> {
        let mut wrong = self.wrong_at_peer();
        if self
            .ask_peer("show protocols")
            .matches("Established")
            .count()
            != 2
        {
            wrong.push("not both sessions are established".into());
        }
        let loaded = self.loaded.as_ref().expect("known in a calm");
        for v6 in [false, true] {
            let wanted: Vec<_> = all_prefixes()
                .into_iter()
                .filter(|p| is_v6(p) == v6 && self.must_be_listed(p) == Must::BeIn)
                .collect();
            // What nobody can say.
            let unsure = |p: &String| self.must_be_listed(p) == Must::Either;
            let mut found = self.listed(loaded.list(v6));
            found.retain(|p| !unsure(p));
            if found != wanted {
                wrong.push(format!("a prefix file has {found:?} and not {wanted:?}"));
            }
        }
        let unused = if loaded.settings.moved { "4" } else { "4b" };
        if !self.listed(unused).is_empty() {
            wrong.push(format!(
                "the file {unused} is not used any more, and lists {:?}",
                self.listed(unused)
            ));
        }
        wrong.extend(self.wrong_in_status());
        wrong.extend(self.wrong_files());
        let ours: Vec<u32> = self.lab.processes();
        for pid in old.iter().filter(|pid| ours.contains(pid)) {
            if !self.may_live_long(*pid) {
                wrong.push(format!("process {pid} lives on: {}", command_line(*pid)));
            }
        }
        wrong
    }

    /// The services that are up and have not run three times more than they had.
    pub fn not_run_since(&self, before: &[(String, u64)]) -> Vec<String> {
        let now = runs();
        if now.is_empty() {
            return vec!["the daemon does not answer".into()];
        }
        let passes = |name: &str| {
            let mut services = SERVICES.iter().enumerate();
            services.any(|(i, s)| s.name == name && self.modes[i].0.passes())
        };
        let held = |name: &str| {
            let service = SERVICES.iter().find(|s| s.name == name);
            let away =
                service.is_some_and(|s| s.prefixes.iter().any(|p| self.addresses_away.contains(p)));
            let config = self.written.services.get(name);
            away || config.is_none_or(|config| config.disabled.is_some())
        };
        let mut late = Vec::new();
        for (name, count) in &now {
            let earlier = before.iter().find(|(other, _)| other == name);
            if passes(name) && !held(name) && *count < earlier.map_or(0, |(_, c)| *c) + 3 {
                late.push(name.clone());
            }
        }
        late
    }

    fn wrong_in_status(&self) -> Vec<String> {
        let Some(document) = ask_status() else {
            return vec!["the daemon does not answer".into()];
        };
        let mut wrong = Vec::new();
        for family in &document.families {
            if !family.settled {
                wrong.push(format!("{} is not settled", family.family));
            }
        }
        for (index, service) in SERVICES.iter().enumerate() {
            let found = document.services.iter().find(|s| s.name == service.name);
            let found = found.map_or("absent", |s| s.status.as_str());
            let loaded = self.loaded.as_ref().expect("known in a calm");
            let config = loaded.services.get(service.name);
            let wanted = match (config, self.service_must(index, service)) {
                (Some(config), _) if config.disabled.is_some() => "disabled",
                (Some(_), _) if loaded.prefixes(service).is_empty() => "absent",
                (Some(_), Must::BeIn) => "up",
                (Some(_), Must::BeOut) => "down",
                (Some(_), Must::Either) => continue,
                (None, _) => "absent",
            };
            if found != wanted {
                wrong.push(format!("{} is {found} and not {wanted}", service.name));
            }
        }
        wrong
    }

    /// Names of files that are new, digits apart.
    fn wrong_files(&self) -> Vec<String> {
        if self.not_removed {
            return Vec::new();
        }
        let known = |name: &String| self.names.is_empty() || self.names.contains(name);
        let names = self.names_now().into_iter().filter(|name| !known(name));
        names.map(|name| format!("left behind: {name}")).collect()
    }

    /// The files that the daemon may have made, by name, with a `#` for digits.
    pub fn names_now(&self) -> BTreeSet<String> {
        let mut names = BTreeSet::new();
        let metrics = self.written.settings.metrics;
        let lists = ["4", "4b", "6"].map(|list| self.list_dir(list));
        let others = ["disk/log", "disk/metrics"].map(|name| self.lab.path(name));
        for directory in lists.iter().chain(&others) {
            let entries = fs::read_dir(directory).into_iter().flatten().flatten();
            for entry in entries {
                let name = entry.file_name().to_string_lossy().into_owned();
                let text = name.split(|c: char| c.is_ascii_digit());
                let text: Vec<&str> = text.filter(|part| !part.is_empty()).collect();
                // What is kept on purpose comes and goes with the settings.
                let kept = name == "history"
                    || name.ends_with(".damaged")
                    || name.starts_with("daemon.log")
                    || name == "anycast_healthchecker.prom"
                    // What a process that was killed left of it is removed with the next one.
                    || name.starts_with(".anycast_healthchecker.prom") && !metrics;
                if !kept {
                    names.insert(text.join("#"));
                }
            }
        }
        names
    }

    /// Processes that checks have started, those apart that their daemon may not kill.
    pub fn left_by_checks(&self) -> Vec<String> {
        let mut left = Vec::new();
        for pid in self.lab.processes() {
            let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
            let by_check = environment
                .split(|&b| b == 0)
                .any(|variable| variable.starts_with(b"ANYCAST_SERVICE="));
            if by_check && !self.hangs_on_purpose(pid) {
                left.push(format!("{pid}: {}", command_line(pid)));
            }
        }
        left
    }

    /// The two BIRDs, the daemon, and its own helpers, which run its program; what checks leave on purpose while their
    /// daemon lives.
    fn may_live_long(&self, pid: u32) -> bool {
        let line = command_line(pid);
        let program = self.lab.path("program").display().to_string();
        let runs = fs::read_link(format!("/proc/{pid}/exe")).unwrap_or_default();
        pid == self.pid()
            || pid == self.watcher()
            || runs.display().to_string() == program && daemon::parent_of(pid) == Some(self.pid())
            || line.contains("bird") && line.contains("-c")
            || line == "sleep 2000"
            // Those that hang count as long as their check is meant to hang.
            || self.hangs_on_purpose(pid)
    }

    fn hangs_on_purpose(&self, pid: u32) -> bool {
        let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        let environment = String::from_utf8_lossy(&environment).into_owned();
        SERVICES.iter().enumerate().any(|(index, service)| {
            let mark = format!("ANYCAST_SERVICE={}", service.name);
            environment.split('\0').any(|v| v == mark)
                && self.modes[index].0 == super::checks::Mode::Unkillable
        })
    }

    /// Whether the line is about a service whose check had passed for a while then, whatever it touches.
    fn passed_long_before(&self, at: Instant, line: &str) -> bool {
        let services = SERVICES.iter().zip(&self.modes);
        let mut about = services.filter(|(service, _)| {
            service.name != "disk" && line.contains(&format!(" {} ", service.name))
        });
        about.any(|(_, (mode, since))| {
            mode.passes() && at.saturating_duration_since(*since) > Duration::from_secs(8)
        })
    }

    /// What the daemon has written since the last calm: no healthy check that timed out, no flood.
    pub fn read_log(&mut self) {
        let Some(daemon) = &self.daemon else { return };
        let late = daemon.out.with(&["timed out"]);
        let late: Vec<_> = late
            .into_iter()
            .filter(|(at, line)| *at > self.last_calm && self.passed_long_before(*at, line))
            .collect();
        assert!(
            late.is_empty() || self.children_held,
            "a check that passes in milliseconds has timed out: {late:?}"
        );
        let lines = daemon.out.all();
        let mut new: Vec<String> = lines[self.lines_seen.min(lines.len())..].to_vec();
        self.lines_seen = lines.len();
        let file = self.lab.read("disk/log/daemon.log");
        // It may have been rotated or removed meanwhile.
        let from = if file.len() < self.log_file_seen {
            0
        } else {
            self.log_file_seen
        };
        new.extend(
            file.get(from..)
                .unwrap_or_default()
                .lines()
                .map(String::from),
        );
        self.log_file_seen = file.len();
        let most = 4 + self.steps;
        let mut counts = std::collections::BTreeMap::<String, usize>::new();
        for line in new {
            let Some((_, said)) = line.split_once("] ") else {
                continue;
            };
            // Complaints about the configuration belong to each reload.
            if said.contains(" services/") {
                continue;
            }
            if ["WARNING", "ERROR", "CRITICAL"]
                .iter()
                .any(|level| said.starts_with(level))
            {
                let text: String = said.chars().filter(|c| !c.is_ascii_digit()).collect();
                *counts.entry(text).or_default() += 1;
            }
        }
        let flood: Vec<_> = counts.iter().filter(|(_, count)| **count > most).collect();
        assert!(
            flood.is_empty(),
            "said again and again in {} steps: {flood:?}",
            self.steps
        );
        if let Some((text, count)) = counts.iter().max_by_key(|(_, count)| **count) {
            self.diary
                .note(format!("most often said, {count} times: {text}"));
        }
    }

    /// No descriptor is left open.
    pub fn count_descriptors(&mut self) {
        let Some(daemon) = &self.daemon else { return };
        let mut least = usize::MAX;
        for _ in 0..20 {
            least = least.min(daemon.descriptors());
            std::thread::sleep(Duration::from_millis(10));
        }
        let Some(first) = self.descriptors else {
            self.descriptors = Some(least);
            return;
        };
        // Files of the log and the like come and go with the settings.
        let most = first + self.not_closed + 8;
        assert!(
            least <= most,
            "{least} descriptors are open, {first} in the first calm"
        );
    }
}

pub fn command_line(pid: u32) -> String {
    let words = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    String::from_utf8_lossy(&words)
        .replace('\0', " ")
        .trim_end()
        .to_string()
}

/// The document of the status socket. A daemon that hangs answers nothing.
pub fn ask_status() -> Option<status::Document> {
    let (sender, receiver) = std::sync::mpsc::channel();
    // It inherits the network namespace.
    std::thread::spawn(move || sender.send(status::ask()));
    receiver
        .recv_timeout(Duration::from_secs(10))
        .ok()
        .flatten()
}

/// One question to a BIRD that is never stopped, without a process for it.
fn ask_bird(socket: &Path, question: &str) -> std::io::Result<String> {
    // A child that ends interrupts (wait-timeout has a handler for SIGCHLD).
    let mut stream = loop {
        match UnixStream::connect(socket) {
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            connected => break connected?,
        }
    };
    stream.set_read_timeout(Some(BOUND))?;
    stream.write_all(format!("{question}\n").as_bytes())?;
    let mut reply = Vec::new();
    let mut piece = [0; 4096];
    // Its greeting is one line, and so is the end of its answer: `0000 `, or another code for an error.
    while !ends(&reply) {
        match stream.read(&mut piece) {
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
            Ok(0) => return Err(std::io::ErrorKind::UnexpectedEof.into()),
            Ok(read) => reply.extend_from_slice(&piece[..read]),
        }
    }
    let text = String::from_utf8_lossy(&reply).into_owned();
    let without_code = |line: &str| match line.as_bytes() {
        [a, b, c, d, b'-' | b' ', ..] if [a, b, c, d].iter().all(|byte| byte.is_ascii_digit()) => {
            line[5..].to_string()
        }
        _ => line.get(1..).unwrap_or_default().to_string(),
    };
    let lines = text.lines().skip(1).map(without_code);
    Ok(lines.collect::<Vec<_>>().join("\n"))
}

/// A whole reply: after the greeting there is a line that begins with a code and a blank.
fn ends(reply: &[u8]) -> bool {
    let text = String::from_utf8_lossy(reply);
    let Some(end) = text.rfind('\n') else {
        return false;
    };
    let last = text[..end].lines().skip(1).last().unwrap_or_default();
    matches!(last.as_bytes(), [a, b, c, d, b' ', ..] if [a, b, c, d].iter().all(|byte| byte.is_ascii_digit()))
}

/// How often each service has run.
pub fn runs() -> Vec<(String, u64)> {
    let services = ask_status().map_or(Vec::new(), |document| document.services);
    let total = |s: status::Service| {
        let checks = s.checks;
        (s.name, checks.passed + checks.failed + checks.timed_out)
    };
    services.into_iter().map(total).collect()
}
