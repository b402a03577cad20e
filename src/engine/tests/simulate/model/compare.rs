//! The model against the engine, and against starvation.

use std::time::Duration;

use super::Model;
use crate::engine::snapshot::Snapshot;
use crate::engine::vocab::Status;
use crate::time::Mono;

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

    /// Nothing starves. `clogged`: checks that nobody can kill hold the places of `max_running_checks`.
    pub fn starves(&mut self, now: Mono, clogged: bool) {
        let limit = self.daemon.max_running_checks;
        // A place is free after a time-out and the killing at the latest, eight times in a row at the worst.
        let queue = match limit {
            0 => Duration::from_millis(60),
            _ => Duration::from_secs(30),
        };
        for service in &mut self.services {
            if service.run.is_some()
                || !service.checkable()
                || clogged && limit > 0
                || self.stopping
            {
                service.idle_since = now;
                continue;
            }
            let idle = now.since(service.idle_since.max(service.splayed));
            let name = &service.config.name;
            assert!(
                idle <= service.config.interval + queue,
                "{name} starves for {idle:?}"
            );
            assert!(!service.owed || limit > 0, "{name} was to run at once");
        }
    }
}
