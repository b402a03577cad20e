//! What the engine has started outside, and what must hold after every step.

use std::ops::Bound;

use super::*;

impl Life {
    /// Takes notice of what the engine has ordered: new jobs, kills, writes.
    pub(super) fn absorb(&mut self, journal: &mut Journal) {
        loop {
            let fresh = (Bound::Excluded(self.last_seen), Bound::Unbounded);
            let jobs: Vec<(JobId, Job)> = (self.bench.jobs.range(fresh))
                .map(|(id, job)| (*id, job.clone()))
                .collect();
            let orders = std::mem::take(&mut self.bench.orders);
            let killed = std::mem::take(&mut self.bench.killed);
            if jobs.is_empty() && killed.is_empty() && orders.is_empty() {
                return;
            }
            for order in orders {
                let at = self.bench.now.micros();
                journal.note(format!("{at:>12} order {order:?}"));
                self.ordered(order);
            }
            for (id, job) in jobs {
                self.last_seen = id;
                let via = self.bench.vias.get(&id);
                let at = self.bench.now.micros();
                journal.note(format!("{at:>12} begins {id:?} {job:?} {via:?}"));
                self.begun(id, job);
            }
            for job in killed {
                journal.note(format!("{:>12} kill {job:?}", self.bench.now.micros()));
                self.kill(job);
            }
        }
    }

    /// The BIRD that reads a file.
    fn reader(&self, path: &Path) -> Via {
        let mut families = self.model.daemon.families.iter().flatten();
        let current = families.find(|family| family.prefix_file == *path);
        let via = current.map(|family| family.via.clone());
        let left = || self.left_files.get(path).map(|(via, _)| via.clone());
        via.or_else(left)
            .expect("a file that nobody reads was asked for")
    }

    fn ordered(&mut self, order: Order) {
        let (now, job) = (self.bench.now, order.job);
        let via = self.reader(&order.path);
        if order.prefixes.is_some() {
            let hurry = self.stage != Stage::Running;
            self.birds.written(&via, now, hurry);
        }
        let mut others = self.agenda.values();
        let twice = others.any(|end| match end {
            End::File { order: other, .. } => {
                other.path == order.path && other.prefixes.is_some() && order.prefixes.is_some()
            }
            _ => false,
        });
        assert!(!twice, "{:?} is written twice at once", order.path);
        let after = self.disks.answers_after(&mut self.chance, order.family);
        let (lands, fails) = match self.disks.state[order.family.index()] {
            Disk::Well | Disk::Slow => (true, false),
            Disk::Full => (order.prefixes.is_none(), order.prefixes.is_some()),
            Disk::Hangs => (self.chance.percent(30), true),
        };
        let end = End::File {
            order,
            lands,
            fails,
        };
        self.plan_end(job, after, end);
    }

    fn plan_end(&mut self, job: JobId, after: Duration, end: End) {
        let at = self.bench.now + after;
        if let Some(old) = self.ends_at.get(&job).copied() {
            if old <= at {
                return;
            }
            self.agenda.remove(&(old, job));
        }
        self.ends_at.insert(job, at);
        self.agenda.insert((at, job), end);
    }

    fn begun(&mut self, id: JobId, job: Job) {
        let now = self.bench.now;
        match job {
            Job::Check(name) => {
                self.model.started(id, &name, now);
                self.begin_check(id, &name);
            }
            Job::Custom(..) => {
                let after = self.chance.millis(10, 500);
                match self.chance.below(20) {
                    0 => self.plan_end(id, Duration::ZERO, End::NotStarted),
                    1..4 => self.plan_end(id, after, End::Process(Ended::Exit(1))),
                    4 => {}
                    5 => {
                        self.unkillable.insert(id);
                    }
                    6 => {
                        self.undying.insert(id);
                    }
                    _ => self.plan_end(id, after, End::Process(Ended::Exit(0))),
                }
            }
            Job::Reconfigure => {
                let via = self.bench.vias[&id].clone();
                self.birds.told(&via, now, self.stage != Stage::Running);
                let others = self.bench.vias.iter().filter(|(other, one)| {
                    **other != id && **one == via && !self.bench.doomed.contains(other)
                });
                assert_eq!(others.count(), 0, "two reconfigurations of {via:?}");
                match self.birds.asked(&mut self.chance, &via) {
                    Some((after, outcome)) => self.plan_end(id, after, End::Bird(outcome)),
                    None if self.birds.of(&via).health == Health::Stubborn => {
                        self.unkillable.insert(id);
                    }
                    None if self.birds.of(&via).health == Health::Undying => {
                        self.undying.insert(id);
                    }
                    None => {}
                }
            }
        }
    }

    fn begin_check(&mut self, id: JobId, name: &str) {
        let mood = self.moods.get(name).copied().unwrap_or(Mood::Good);
        let timeout = self
            .model
            .services
            .iter()
            .find(|service| service.config.name == name);
        let timeout = timeout.map_or(300, |service| service.config.timeout.as_millis() as u64);
        let (soon, late) = (
            self.chance.millis(1, timeout / 2),
            self.chance.millis(timeout / 2, timeout * 2),
        );
        let exit = |pass: bool| End::Process(Ended::Exit(u8::from(!pass)));
        match mood {
            Mood::Good => {
                let pass = self.chance.percent(95);
                self.plan_end(id, soon, exit(pass));
            }
            Mood::Bad if self.chance.percent(10) => {
                self.plan_end(id, soon, End::Process(Ended::Signal(11)));
            }
            Mood::Bad => self.plan_end(id, soon, exit(false)),
            Mood::Flaky => {
                let pass = self.chance.percent(50);
                self.plan_end(id, soon, exit(pass));
            }
            Mood::Slow => {
                // Half of them end at the very moment of their time-out.
                let after = match self.chance.percent(50) {
                    true => Duration::from_millis(timeout),
                    false => late,
                };
                self.plan_end(id, after, exit(true));
            }
            Mood::Hangs => {}
            Mood::Stuck => {
                self.unkillable.insert(id);
            }
            Mood::Undying => {
                self.undying.insert(id);
            }
            Mood::NotStartedLate => self.plan_end(id, late, End::NotStarted),
            Mood::NotStarted => self.plan_end(id, Duration::ZERO, End::NotStarted),
        }
    }

    pub(super) fn end(&mut self, job: JobId, end: End) {
        let now = self.bench.now;
        self.ends_at.remove(&job);
        self.unkillable.remove(&job);
        self.undying.remove(&job);
        self.bird_reads(job, &end);
        self.bench.forget(job);
        let event = match end {
            End::File {
                order,
                lands,
                fails,
            } => self.file_answers(&order, lands, fails),
            End::Process(ended) => {
                self.model.ended(job, Verdict::from(ended), now);
                let mut output = Output::default();
                if self.chance.percent(30) {
                    output.stderr.bytes = b"a line\n".to_vec();
                }
                Event::JobEnded { job, ended, output }
            }
            End::NotStarted => {
                self.model.ended(job, Verdict::NotStarted(127), now);
                let failure = StartFailure {
                    status: 127,
                    cause: "no such file".to_string(),
                };
                Event::JobNotStarted { job, failure }
            }
            End::Bird(outcome) => Event::ReconfigureEnded { job, outcome },
        };
        self.bench.part_of_turn(event);
    }

    /// A file is written or read, or not, and what is heard of it.
    fn file_answers(&mut self, order: &Order, lands: bool, fails: bool) -> Event {
        let (job, path) = (order.job, &order.path);
        let cause = || "timed out".to_string();
        if fails {
            self.disks.well_since[order.family.index()] = self.bench.now;
        }
        if order.prefixes.is_none() && fails {
            let (prefixes, repair) = (Set::new(), Some(Repair::Unreadable(cause())));
            let file = FoundFile { prefixes, repair };
            return Event::FileFound { job, file };
        }
        self.unseen.remove(path);
        let event = lands.then(|| self.bench.carry_out(order));
        if let Some(Event::FileFound { file, .. }) = &event {
            let looks = self.bench.engine.routes.looks_at(job);
            let changed = looks.filter(|(_, written)| **written != file.prefixes);
            if let (Some((family, _)), None) = (changed, &file.repair) {
                self.model.take_over(family, &file.prefixes);
            }
        }
        if order.prefixes.is_some() {
            if lands {
                self.tampered.remove(path);
            }
            match fails {
                true => self.unknown.insert(path.clone()),
                false => self.unknown.remove(path),
            };
        }
        match event {
            Some(event) if !fails => event,
            Some(_) | None => {
                let outcome = Err(cause());
                Event::FileWritten { job, outcome }
            }
        }
    }

    /// BIRD has taken the files as they are, told by us or by a service's own command.
    fn bird_reads(&mut self, job: JobId, end: &End) {
        let (files, now) = (self.all_files(), self.bench.now);
        match (self.bench.jobs.get(&job), end) {
            (Some(Job::Custom(..)), End::Process(Ended::Exit(0))) => {
                for family in self.model.daemon.families.clone().iter().flatten() {
                    self.birds.of(&family.via).view = files.clone();
                }
            }
            (Some(Job::Reconfigure), End::Bird(Ok(accepted))) => {
                let via = self.bench.vias[&job].clone();
                self.birds.reads(&via, &files, *accepted, now);
                let families = self.model.daemon.families.clone();
                for family in families.iter().flatten().filter(|one| one.via == *via) {
                    // What another hand has done meanwhile BIRD has read, too.
                    if !self.tampered.contains(&family.prefix_file) {
                        self.misread.remove(&family.prefix_file);
                    }
                }
            }
            _ => {}
        }
    }

    fn kill(&mut self, job: JobId) {
        let Some(running) = self.bench.jobs.get(&job).cloned() else {
            return;
        };
        let socket = matches!(
            self.bench.vias.get(&job).map(|via| &**via),
            Some(Via::Socket(_))
        );
        if socket {
            // A conversation is over as soon as this end of it is closed.
            if let Some(at) = self.ends_at.remove(&job) {
                self.agenda.remove(&(at, job));
            }
            self.end(job, End::Bird(Err(Refusal::TimedOut)));
            return self.bench.finish_turn();
        }
        let signal = Ended::Signal(9);
        let end = match running {
            Job::Reconfigure => End::Bird(Err(Refusal::Command {
                ended: signal,
                said: String::new(),
            })),
            Job::Check(_) | Job::Custom(..) => End::Process(signal),
        };
        if self.unkillable.contains(&job) {
            let after = self.chance.millis(1000, 20_000);
            if !self.ends_at.contains_key(&job) {
                self.plan_end(job, after, end);
            }
            let cause = "operation not permitted".to_string();
            self.model.not_killed(job);
            self.bench.event(Event::JobNotKilled { job, pid: 1, cause });
        } else if self.undying.contains(&job) {
            // Some never do.
            if self.chance.percent(80) {
                let after = self.chance.millis(2000, 600_000);
                self.plan_end(job, after, end);
            }
        } else {
            let after = self.chance.millis(0, 5);
            self.plan_end(job, after, end);
        }
    }

    /// Nothing that is known already is said again.
    fn check_notices(&mut self) {
        let now = self.bench.now;
        for notice in self.bench.notices.drain(..) {
            match notice.what {
                What::FileFailed { path, cause, .. } => {
                    let before = self.said.insert(format!("{path:?}"), now);
                    let silent = before.map(|before| now.since(before));
                    let again = silent.is_none_or(|silent| silent >= Duration::from_secs(60));
                    assert!(again, "{path:?}: {cause} is said again after {silent:?}");
                }
                What::FileRecovered { path, .. } => {
                    let before = self.said.remove(&format!("{path:?}"));
                    assert!(before.is_some(), "{path:?} recovers from nothing");
                }
                What::ReconfigureFailed { via, refusal, .. } => {
                    let what = format!("{via:?} {refusal:?}");
                    let others = format!("{via:?}");
                    let known = self.said.contains_key(&what);
                    assert!(!known, "{what} is said again");
                    self.said.retain(|other, _| !other.starts_with(&others));
                    self.said.insert(what, now);
                }
                What::ReconfigureRecovered { .. } => {
                    self.said.retain(|what, _| what.starts_with('"'));
                }
                _ => {}
            }
        }
    }

    /// What must hold after every step, beside what the bench has looked at.
    pub(super) fn check(&mut self) {
        let now = self.bench.now;
        let engine = &self.bench.engine;
        self.model.compare(&engine.snapshot());
        let [four, six] = &self.model.wanted;
        let wanted: Set<_> = engine.routes.announced().into_iter().collect();
        assert_eq!(wanted, four.union(six), "what is wanted");
        let known: BTreeSet<JobId> = engine.desk.jobs().map(|(job, _)| job).collect();
        let running: BTreeSet<JobId> = self.bench.jobs.keys().copied().collect();
        assert_eq!(
            known, running,
            "jobs without an owner, or owners without a job"
        );
        if self.over() {
            return self.check_end();
        }
        if let Stage::Stopping(limit) = self.stage {
            assert!(now <= limit, "it should have ended at {limit:?}");
        }
        self.model.starves(now);
        let vias: Vec<Via> = self.bench.engine.routes.vias().collect();
        self.birds.only(&vias);
        let known: Vec<String> = vias.iter().map(|via| format!("{via:?}")).collect();
        self.said.retain(|what, _| {
            what.starts_with('"') || known.iter().any(|via| what.starts_with(via))
        });
        self.note_disks();
        for family in Family::ALL {
            if let Some(config) = self.model.daemon.families[family.index()].clone() {
                self.check_family(family, &config);
            }
        }
        self.check_left_files();
        self.check_customs();
        self.check_notices();
        self.bench.writes.clear();
        self.bench.started.clear();
        self.bench.reconfigurations.clear();
    }

    /// A disk is well while it answers and owes nothing.
    fn note_disks(&mut self) {
        let now = self.bench.now;
        let mut well = self.disks.state.map(|disk| disk == Disk::Well);
        for ((at, _), end) in &self.agenda {
            if let End::File { order, .. } = end {
                well[order.family.index()] &= *at <= now + Duration::from_millis(20);
            }
        }
        for (index, well) in well.into_iter().enumerate() {
            if !well {
                self.disks.well_since[index] = now;
            }
        }
    }

    /// Since when nothing keeps a BIRD from being told.
    fn bird_well_since(&mut self, via: &Via) -> Mono {
        let now = self.bench.now;
        let mut stuck = 0;
        let mut busy = false;
        for job in self.bench.vias.iter().filter(|(_, one)| ***one == *via) {
            let hangs = (self.unkillable.contains(job.0) || self.undying.contains(job.0))
                && self.bench.doomed.contains(job.0);
            stuck += usize::from(hangs);
            let end = self.ends_at.get(job.0);
            busy |= !hangs && end.is_none_or(|at| *at > now + Duration::from_millis(400));
        }
        let bird = self.birds.of(via);
        // One that hangs is given up soon. Of several the engine is wary.
        if busy || stuck > 1 || bird.health != Health::Up {
            bird.well_since = now;
        }
        bird.well_since
    }

    fn check_family(&mut self, family: Family, config: &FamilyConfig) {
        let now = self.bench.now;
        let index = family.index();
        let path = &config.prefix_file;
        let expected = self.model.file(family);
        let file = self.bench.files[index].clone();
        let snapshot = self.bench.engine.snapshot();
        let mut views = snapshot.families.iter();
        let view = views
            .find(|view| view.family == family)
            .expect("a view of each family");
        if *view.written == file {
            self.unknown.remove(path);
        }
        if !self.unknown.contains(path) {
            assert_eq!(*view.written, file, "what the engine knows of the file");
            assert!(
                !view.settled || file == expected,
                "settled, but {file:?} is not {expected:?}"
            );
        }
        let bird_well = self.bird_well_since(&config.via);
        if self.stage != Stage::Running {
            return;
        }
        let config_now = self.plan.config();
        let read = self.birds.of(&config.via).view.get(path).cloned();
        let read = read.unwrap_or_default();
        if read == file && file == expected && self.bench.engine.customs.finished() {
            self.left.settled(family, &config_now);
        }
        let quiet = self.disks.well_since[index]
            .max(self.model.changed_at[index])
            .max(self.begun);
        let patience = AGREED_WITHIN + self.model.daemon.update_interval;
        // The file may have to wait for a reconfiguration that hangs.
        if now.since(quiet.max(bird_well)) > patience && !self.tampered.contains(path) {
            assert_eq!(file, expected, "the file of {family:?}");
            let routes = self.bench.engine.routes.families[index].as_ref();
            assert!(
                routes.is_some_and(|routes| routes.repair.is_none()),
                "not repaired"
            );
            let differ = self.left.differ(&file, &read);
            let via = &config.via;
            assert!(
                differ.is_empty() || self.misread.contains(path),
                "BIRD at {via:?} does not know of {differ:?}"
            );
            let trouble = self.bench.engine.snapshot().families[0].trouble.is_some();
            let well = self.model.daemon.families.iter().flatten().count() == 1
                && self.left_files.is_empty();
            assert!(!trouble || !well, "trouble without a cause");
        }
    }

    /// What was left is withdrawn and BIRD told, if nothing is in the way.
    fn check_left_files(&mut self) {
        let now = self.bench.now;
        if self.stage != Stage::Running {
            return;
        }
        for (path, (via, since)) in self.left_files.clone() {
            let well = self.bird_well_since(&via);
            let disk = self.disks.well_since[family_of(&path).index()];
            let quiet = well.max(disk).max(since).max(self.begun);
            if now.since(quiet) > AGREED_WITHIN + self.model.daemon.update_interval {
                assert!(
                    self.withdrawn(&path, &via),
                    "{path:?} is left and announced"
                );
                self.left_files.remove(&path);
            }
        }
    }

    fn withdrawn(&mut self, path: &Path, via: &Via) -> bool {
        let file = self.file(path);
        let view = self
            .birds
            .of(via)
            .view
            .get(path)
            .cloned()
            .unwrap_or_default();
        file.is_empty() && (view.is_empty() || self.misread.contains(path))
    }

    /// Commands of services are run as soon as the files are written.
    fn check_customs(&mut self) {
        let mut jobs = self.bench.jobs.iter();
        let running =
            jobs.any(|(id, job)| matches!(job, Job::Custom(..)) && !self.bench.doomed.contains(id));
        let now = self.bench.now;
        let birds_well = (self.model.daemon.families.clone().iter().flatten())
            .all(|config| self.birds.of(&config.via).well_since < now);
        let full = self.disks.well_since.contains(&now);
        if running || full || !birds_well || self.bench.engine.customs.finished() {
            self.customs_since = None;
            return;
        }
        let waiting = now.since(*self.customs_since.get_or_insert(now));
        assert!(
            waiting < Duration::from_secs(10),
            "a command waits for {waiting:?}"
        );
    }

    /// An orderly end has carried out `on_exit`, if nothing was in the way, and says so if not.
    fn check_end(&mut self) {
        if self.stage == Stage::Crashed {
            return;
        }
        let clean = self.bench.clean;
        for family in Family::ALL {
            let index = family.index();
            let Some(config) = self.model.daemon.families[index].clone() else {
                continue;
            };
            let path = &config.prefix_file;
            let bird = self.birds.of(&config.via);
            let (since, health) = (bird.well_since, bird.health);
            let read = bird.view.get(path).cloned().unwrap_or_default();
            let file = self.bench.files[index].clone();
            let well = since < self.begun
                && self.disks.well_since[index] < self.begun
                && health == Health::Up;
            if !(clean || well)
                || self.tampered.contains(path)
                || self.misread.contains(path)
                || self.unseen.contains(path)
            {
                continue;
            }
            let on_exit = self.model.file(family);
            assert_eq!(file, on_exit, "the last file of {family:?}, clean: {clean}");
            let differ = self.left.differ(&file, &read);
            assert!(differ.is_empty(), "{differ:?} at the end, clean: {clean}");
        }
        for (path, (via, _)) in self.left_files.clone() {
            let withdrawn = self.withdrawn(&path, &via);
            assert!(
                !clean || withdrawn,
                "{path:?} is announced, and the end is clean"
            );
        }
    }
}
