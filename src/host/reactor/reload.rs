//! SIGHUP: has a child read the configuration again, and takes it over if it is valid.
//!
//! The loop goes on while the child reads, however long that takes; another SIGHUP begins anew. What is wrong, or not
//! read in time, changes nothing. A reload that would leave no service is refused: a directory of services that was
//! emptied is a mistake more often than an intention, and who means it can stop the daemon.

use std::io;
use std::time::Duration;

use super::start::{raise_descriptors, warnings, world};
use super::{Errand, READER, Reactor};
use crate::config::load::{DEFAULT_DIR, Loaded};
use crate::config::{CommandLine, Complaint, Config, Severity};
use crate::engine::vocab::{Ended, Event, FoundFile, StartFailure};
use crate::host::addresses::{Change, Watch};
use crate::host::job::{Command, Outcome};
use crate::host::reading;
use crate::host::sys::clock;

/// How long the reading of the configuration may take: as long as files may go on changing, and a slow disk.
const READ_TIMEOUT: Duration = Duration::from_secs(20);

impl Reactor {
    /// Log files are opened anew whatever comes of it.
    pub(super) fn reload(&mut self) {
        let now = self.now.mono;
        clock::reread_zone();
        // Of this moment: systemd takes no answer that is older than its signal.
        self.notify.reloading(clock::now().mono);
        self.voice.reopen(&self.daemon.log, now);
        // What it has read may be older than this signal.
        self.jobs.abandon(READER);
        self.forget_reload();
        self.errands.insert(READER, Errand::Read);
        self.reading_until = Some(now + READ_TIMEOUT);
        let words = CommandLine::of(reading::child_words(&self.source));
        let command = Command {
            words: &words,
            argument: None,
            service: None,
            stdio: None,
        };
        match self.jobs.start(READER, &command) {
            Ok(()) => self.jobs.keep_output(READER, reading::MAX_RECORD),
            Err(StartFailure { cause, .. }) => self.not_read(&cause),
        }
    }

    /// The child has had its time.
    pub(super) fn reading_timed_out(&mut self) {
        self.jobs.abandon(READER);
        let seconds = READ_TIMEOUT.as_secs();
        self.not_read(&format!(
            "reading it took longer than {seconds} s: does a disk hang?"
        ));
    }

    pub(super) fn was_read(&mut self, outcome: Outcome) {
        let (ended, output) = match outcome {
            Outcome::Ended { ended, output } => (ended, output),
            Outcome::NotStarted(failure) => return self.not_read(&failure.cause),
        };
        if ended != Ended::Exit(0) {
            let said = String::from_utf8_lossy(&output.stderr.bytes);
            let how = match ended {
                Ended::Exit(status) => format!("exit status {status}"),
                Ended::Signal(signal) => format!("signal {signal}"),
            };
            return self.not_read(&format!(
                "the process that reads it has ended with {how}: {}",
                said.trim()
            ));
        }
        match reading::replay(&self.source, output.stdout.bytes) {
            Some(loaded) => self.was_loaded(loaded),
            None => self.not_read("the process that reads it has not handed it over whole"),
        }
    }

    fn not_read(&mut self, cause: &str) {
        let message = format!("cannot read the configuration: {cause}");
        let file = self.source.settings().display().to_string();
        self.refuse(vec![error(file, message)]);
    }

    fn was_loaded(&mut self, loaded: Loaded) {
        let Loaded {
            config,
            complaints,
            source,
            document,
            ..
        } = loaded;
        // It is several times as large as what was made of it.
        drop(document);
        // It took its time.
        self.now = clock::now();
        match config {
            None => self.refuse(complaints),
            Some(config) if config.services.is_empty() && self.has_services => {
                let place = source.service_file.or(source.dir);
                let place =
                    place.map_or(DEFAULT_DIR.to_string(), |path| path.display().to_string());
                let message = "no service would be left: stop the daemon to withdraw all of them";
                self.refuse(vec![error(place, message.to_string())]);
            }
            Some(config) => {
                self.source = source;
                self.errands.remove(&READER);
                self.reading_until = None;
                self.want_reload(config, warnings(complaints));
                self.settle_files();
            }
        }
    }

    fn refuse(&mut self, complaints: Vec<Complaint>) {
        self.events.push_back(Event::ReloadRefused(complaints));
        self.reload_ended();
    }

    fn reload_ended(&mut self) {
        self.errands.remove(&READER);
        self.reading_until = None;
        self.work_off();
        self.notify.ready(clock::now().mono);
    }

    /// The last part of a reload: what stands in the prefix files is known.
    pub(super) fn take_over(
        &mut self,
        config: Config,
        warnings: Vec<Complaint>,
        files: [FoundFile; 2],
    ) {
        let now = self.now.mono;
        match raise_descriptors(&config) {
            Ok(()) => self.troubles.descriptors.works(now),
            Err(cause) => self.troubles.descriptors.failed(now, || cause),
        }
        self.voice
            .reconfigure(&config.daemon.log, &config.services, now);
        if config.needs_addresses() {
            // The engine is told everything; changes from here on come as notifications.
            let refreshed = self.ask_addresses();
            self.take_addresses(refreshed.map(|_| Change::None));
        } else {
            self.addresses = None;
            self.addresses_retry = None;
            self.troubles.addresses.works(now);
        }
        self.troubles.rename(&config.daemon);
        self.calm.forget();
        let mut daemon = config.daemon.clone();
        // It was taken at the start and is held for life.
        daemon.pidfile = self.daemon.pidfile.clone();
        self.daemon = daemon;
        self.has_services = !config.services.is_empty();
        let addresses = self.addresses();
        let world = world(config, warnings, addresses, &mut self.follow, files);
        self.now = clock::now();
        self.events.push_back(Event::Reload(Box::new(world)));
        self.want_reserves();
        self.reload_ended();
    }

    /// All addresses of now.
    pub(super) fn ask_addresses(&mut self) -> io::Result<Change> {
        match &mut self.addresses {
            Some(addresses) => addresses.refresh(),
            None => {
                self.addresses = Some(Watch::open()?);
                Ok(Change::Changed)
            }
        }
    }
}

fn error(file: String, message: String) -> Complaint {
    Complaint {
        severity: Severity::Error,
        file,
        line: 0,
        section: String::new(),
        option: String::new(),
        message,
    }
}
