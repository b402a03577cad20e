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
            self.count_writes(journal);
            let killed = std::mem::take(&mut self.bench.killed);
            if jobs.is_empty() && killed.is_empty() {
                return;
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

    fn count_writes(&mut self, journal: &mut Journal) {
        let hurry = self.stage != Stage::Running;
        for (at, family) in self.bench.writes.drain(..) {
            let config = self.model.daemon.families[family.index()].as_ref();
            let (file, full) = (&self.bench.files[family.index()], self.bench.full);
            journal.note(format!(
                "{:>12} write {family:?} full {full:?} {file:?}",
                at.micros()
            ));
            let config = config.expect("the file of a family that is switched off was written");
            self.birds.attempt(&config.via, at, hurry);
        }
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
                    _ => self.plan_end(id, after, End::Process(Ended::Exit(0))),
                }
            }
            Job::Reconfigure => {
                let via = self.bench.vias[&id].clone();
                self.birds.attempt(&via, now, self.stage != Stage::Running);
                let others = self.bench.vias.iter().filter(|(other, one)| {
                    **other != id && **one == via && !self.bench.doomed.contains(other)
                });
                assert_eq!(others.count(), 0, "two reconfigurations of {via:?}");
                match self.birds.asked(&mut self.chance, &via) {
                    Some((after, outcome)) => self.plan_end(id, after, End::Bird(outcome)),
                    None if self.birds.of(&via).health == Health::Stubborn => {
                        self.unkillable.insert(id);
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
            Mood::NotStarted => self.plan_end(id, Duration::ZERO, End::NotStarted),
        }
    }

    pub(super) fn end(&mut self, job: JobId, end: End) {
        let now = self.bench.now;
        self.ends_at.remove(&job);
        self.unkillable.remove(&job);
        self.bird_reads(job, &end);
        self.bench.forget(job);
        let event = match end {
            End::Process(ended) => {
                self.model.ended(job, Verdict::from(ended), now);
                let output = Output::default();
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

    /// BIRD has taken the files as they are, told by us or by a service's own command.
    fn bird_reads(&mut self, job: JobId, end: &End) {
        let files = &self.bench.files;
        match (self.bench.jobs.get(&job), end) {
            (Some(Job::Custom(..)), End::Process(Ended::Exit(0))) => {
                for family in self.model.daemon.families.clone().iter().flatten() {
                    self.birds.of(&family.via).view = files.clone();
                }
            }
            (Some(Job::Reconfigure), End::Bird(Ok(_))) => {
                self.birds.of(&self.bench.vias[&job]).view = files.clone();
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
            self.bench.event(Event::JobNotKilled { job, pid: 1, cause });
        } else {
            let after = self.chance.millis(0, 5);
            self.plan_end(job, after, end);
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
        self.model.starves(now, !self.unkillable.is_empty());
        for family in Family::ALL {
            if let Some(config) = self.model.daemon.families[family.index()].clone() {
                self.check_family(family, &config);
            }
        }
        self.check_customs();
        self.bench.notices.clear();
        self.bench.started.clear();
        self.bench.reconfigurations.clear();
    }

    fn check_family(&mut self, family: Family, config: &FamilyConfig) {
        let now = self.bench.now;
        let index = family.index();
        let expected = self.model.file(family);
        let file = &self.bench.files[index];
        let snapshot = self.bench.engine.snapshot();
        let mut views = snapshot.families.iter();
        let view = views
            .find(|view| view.family == family)
            .expect("a view of each family");
        assert_eq!(view.written, file, "what the engine knows of the file");
        assert!(
            !view.settled || *file == expected,
            "settled, but {file:?} is not {expected:?}"
        );

        let bird = self.birds.of(&config.via);
        let busy = self.bench.vias.iter().any(|(job, via)| {
            let end = self.ends_at.get(job);
            **via == config.via
                && !self.unkillable.contains(job)
                && end.is_none_or(|at| *at > now + Duration::from_millis(400))
        });
        if busy || !matches!(bird.health, Health::Up) {
            bird.well_since = now;
        }
        if self.bench.full[index] {
            self.disks.0.insert(family, now);
        }
        if self.stage != Stage::Running {
            return;
        }
        let config_now = self.plan.config();
        if bird.view[index] == *file && *file == expected && self.bench.engine.customs.finished() {
            self.left.settled(family, &config_now);
        }
        let quiet = self.disks.0[&family]
            .max(self.model.changed_at[index])
            .max(self.begun);
        let patience = AGREED_WITHIN + self.model.daemon.update_interval;
        // The file may have to wait for a reconfiguration that hangs.
        if now.since(quiet.max(bird.well_since)) > patience {
            assert_eq!(*file, expected, "the file of {family:?}");
            let routes = self.bench.engine.routes.families[index].as_ref();
            assert!(
                routes.is_some_and(|routes| routes.repair.is_none()),
                "not repaired"
            );
            let differ = self.left.differ(file, &bird.view[index]);
            let via = &config.via;
            assert!(
                differ.is_empty(),
                "BIRD at {via:?} does not know of {differ:?}"
            );
        }
    }

    /// Commands of services are run as soon as the files are written.
    fn check_customs(&mut self) {
        let mut jobs = self.bench.jobs.iter();
        let running =
            jobs.any(|(id, job)| matches!(job, Job::Custom(..)) && !self.bench.doomed.contains(id));
        let now = self.bench.now;
        let birds_well = (self.model.daemon.families.clone().iter().flatten())
            .all(|config| self.birds.of(&config.via).well_since < now);
        let full = self.bench.full != [false; 2];
        if running || full || !birds_well || self.bench.engine.customs.finished() {
            self.customs_since = now;
        }
        let waiting = now.since(self.customs_since);
        assert!(
            waiting < Duration::from_secs(7),
            "a command waits for {waiting:?}"
        );
    }

    /// An orderly end has carried out `on_exit`, if nothing was in the way.
    fn check_end(&mut self) {
        for family in Family::ALL {
            let index = family.index();
            let Some(config) = self.model.daemon.families[index].clone() else {
                continue;
            };
            let bird = self.birds.of(&config.via);
            if self.stage != Stage::Crashed && self.bench.clean {
                let differ = self
                    .left
                    .differ(&self.bench.files[index], &bird.view[index]);
                assert!(differ.is_empty(), "who said that BIRD knows {differ:?}?");
            }
            if self.stage == Stage::Crashed || self.bench.full[index] {
                continue;
            }
            let well = bird.well_since < self.begun && self.disks.0[&family] < self.begun;
            if well && bird.health == Health::Up {
                let file = &self.bench.files[index];
                assert_eq!(
                    *file,
                    self.model.file(family),
                    "the last file of {family:?}"
                );
                let differ = self.left.differ(file, &bird.view[index]);
                assert!(
                    differ.is_empty(),
                    "BIRD was not told of {differ:?} at the end"
                );
            }
        }
    }
}
