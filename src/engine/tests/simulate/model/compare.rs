//! The model against the engine, and against starvation.

use std::time::Duration;

use super::Model;
use crate::engine::snapshot::Snapshot;
use crate::engine::vocab::Status;
use crate::time::Mono;

/// How late a turn of this world may be, in all.
const LATENESS: Duration = Duration::from_secs(8);

impl Model {
    /// The engine says of its services what follows from the history.
    pub fn compare(&self, snapshot: &Snapshot<'_>) {
        assert_eq!(snapshot.services.len(), self.services.len());
        for (view, service) in snapshot.services.iter().zip(&self.services) {
            let name = &service.config.name;
            assert_eq!(*view.config, service.config, "order");
            assert_eq!(
                view.status, service.status,
                "status of {name}: {service:#?}"
            );
            let counters = view.counters;
            let results = [
                counters.passed,
                counters.failed,
                counters.timed_out,
                counters.not_started,
            ];
            assert_eq!(results, service.results, "results of {name}");
            assert_eq!(counters.changes, service.changes, "changes of {name}");
            assert_eq!(view.running, service.run.is_some(), "whether {name} runs");
            let up = service.status == Status::Up;
            assert!(!up || view.state_value == Some(0), "state value of {name}");
        }
    }

    /// Nothing starves: a check runs, or the run that hangs is judged with each slot.
    pub fn starves(&mut self, now: Mono) {
        let limit = u64::from(self.daemon.max_running_checks);
        // A place is free after a time-out and the killing at the latest. What a reload has orphaned is gone as soon.
        let queue = match limit {
            0 => LATENESS,
            limit => {
                LATENESS + Duration::from_secs(5) * (2 + self.services.len() as u32 / limit as u32)
            }
        };
        // More than a turn can start.
        let crowded = self.services.len() > 16;
        for service in &mut self.services {
            if !service.checkable() || self.stopping {
                (service.idle_since, service.judged) = (now, now);
                continue;
            }
            let (name, interval) = (&service.config.name, service.config.interval);
            if let Some(run) = &service.run {
                service.idle_since = now;
                let killed = run.started + service.config.timeout + super::GRACE;
                let silent = now.since(service.judged.max(killed).max(service.splayed));
                assert!(
                    silent <= interval + LATENESS,
                    "{name} hangs unjudged for {silent:?}"
                );
                continue;
            }
            let idle = now.since(service.idle_since.max(service.splayed));
            assert!(idle <= interval + queue, "{name} starves for {idle:?}");
            assert!(
                !service.owed || limit > 0 || crowded,
                "{name} was to run at once"
            );
        }
    }
}
