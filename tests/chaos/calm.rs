//! A calm: all troubles are over, and after a while everything must be as the checks ask for.

use std::time::{Duration, Instant};

use super::life::{BOUND, Life};
use super::steps::Trouble;

impl Life<'_> {
    /// One storm and the calm after it.
    pub fn cycle(&mut self) {
        for _ in 0..self.random.between(4, 14) {
            self.step();
            let pause = match self.random.below(4) {
                0 => 0,
                1 => self.random.between(1, 50),
                _ => self.random.between(50, 500),
            };
            self.pause(Duration::from_millis(pause));
            match self.random.below(5) {
                0 => self.expect(),
                1 => self.challenge(),
                _ => {}
            }
        }
        self.calm();
    }

    /// Undoes everything, and waits until all is well.
    pub fn calm(&mut self) {
        self.diary.note("calm");
        // A thawed disk first: the test itself would wait for it.
        if self.frozen() {
            self.undo(Trouble::DiskFrozen);
        }
        while !self.troubles.is_empty() {
            let index = self.random.below(self.troubles.len() as u64) as usize;
            match self.troubles[index].clone() {
                // It needs what the others have taken, and nothing is injected any more.
                Trouble::DaemonDead if self.troubles.len() > 1 => {}
                Trouble::DaemonDead => assert!(self.start(None), "a start in a calm"),
                trouble => self.undo(trouble),
            }
        }
        if self.loaded.is_none() || self.birth.watched {
            self.diary.note("SIGHUP");
            self.reload();
        }
        self.maintenance_unsure = false;
        let old = self.lab.processes();
        self.wait(BOUND, "calm", |life| life.wrong_in_calm(&old));
        self.pause(Duration::from_millis(300));
        self.wait(BOUND, "calm", |life| life.wrong_in_calm(&old));
        self.read_log();
        self.count_descriptors();
        if self.names.is_empty() {
            self.names = self.names_now();
            // What others leave there.
            self.names
                .extend(["prefixes.conf", "target", ".target.reserve"].map(String::from));
        }
        self.steps = 0;
        self.last_calm = Instant::now();
        self.children_held = false;
        if self.random.one_in(3) {
            self.stay_steady();
        }
    }

    /// What moves no route: a restart, signals, clients.
    fn stay_steady(&mut self) {
        let moves = self.moves();
        // Another program that cares for the files may be quicker than a start.
        let watched = self.birth.watched;
        let ends = self.written.settings.on_exit == "none";
        match self.random.below(4) {
            0 if ends && !watched => {
                self.diary.note("SIGTERM and start, without a moved route");
                self.stop();
                assert!(self.start(None), "a start in a calm");
            }
            1 if !watched => {
                self.diary.note("SIGKILL and start, without a moved route");
                self.kill_daemon();
                assert!(self.start(None), "a start in a calm");
            }
            2 => {
                self.diary.note("SIGHUP, without a moved route");
                self.reload();
            }
            _ => {
                self.diary.note("SIGURG, without a moved route");
                for _ in 0..50 {
                    self.signal(libc::SIGURG);
                }
            }
        }
        let runs = super::oracle::runs();
        self.wait(BOUND, "checked again", |life| life.not_run_since(&runs));
        self.wait(BOUND, "calm", |life| life.wrong_in_calm(&[]));
        assert_eq!(self.moves(), moves, "a route has moved");
    }

    /// The end of a life.
    pub fn end(&mut self) {
        self.diary.note("the end");
        self.stop();
    }
}
