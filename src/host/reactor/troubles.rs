//! The troubles of the reactor's own parts, each said once and counted elsewhere.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::config::{DaemonConfig, Family};
use crate::engine::notice::Part;
use crate::host::news::{Health, News};

pub struct Troubles {
    pub addresses: Health,
    pub metrics: Health,
    pub history: Health,
    /// By [`Family::index`], as those below.
    pub prefix_files: [Health; 2],
    pub reserves: [Health; 2],
    pub descriptors: Health,
    pub events: Health,
}

impl Troubles {
    pub fn new(daemon: &DaemonConfig) -> Troubles {
        Troubles {
            addresses: Health::new(Part::Addresses, Duration::ZERO),
            metrics: Health::new(metrics_part(daemon), Duration::ZERO),
            history: Health::new(history_part(daemon), Duration::ZERO),
            prefix_files: prefix_files(daemon)
                .map(|file| Health::new(Part::PrefixFile(file), Duration::ZERO)),
            reserves: prefix_files(daemon)
                .map(|file| Health::new(Part::Reserve(file), Duration::ZERO)),
            descriptors: Health::new(Part::Descriptors, Duration::ZERO),
            events: Health::new(Part::Events, Duration::ZERO),
        }
    }

    /// Takes over the places that a new configuration names.
    pub fn rename(&mut self, daemon: &DaemonConfig) {
        self.metrics.rename(metrics_part(daemon));
        self.history.rename(history_part(daemon));
        for (health, file) in self.prefix_files.iter_mut().zip(prefix_files(daemon)) {
            health.rename(Part::PrefixFile(file));
        }
        for (health, file) in self.reserves.iter_mut().zip(prefix_files(daemon)) {
            health.rename(Part::Reserve(file));
        }
    }

    pub fn take_news(&mut self) -> Vec<News> {
        let all = [
            &mut self.addresses,
            &mut self.metrics,
            &mut self.history,
            &mut self.descriptors,
            &mut self.events,
        ];
        let of_families = self.prefix_files.iter_mut().chain(&mut self.reserves);
        all.into_iter()
            .chain(of_families)
            .flat_map(Health::take_news)
            .collect()
    }
}

fn metrics_part(daemon: &DaemonConfig) -> Part {
    let directory = daemon
        .metrics
        .as_ref()
        .map(|metrics| metrics.directory.clone());
    Part::Metrics(directory.unwrap_or_default())
}

fn prefix_files(daemon: &DaemonConfig) -> [PathBuf; 2] {
    Family::ALL.map(|family| {
        let config = daemon.families[family.index()].as_ref();
        config.map_or(PathBuf::new(), |config| config.prefix_file.clone())
    })
}

fn history_part(daemon: &DaemonConfig) -> Part {
    let kept = daemon
        .families
        .iter()
        .flatten()
        .find(|family| family.history.is_some());
    let directory: Option<&Path> = kept.and_then(|family| family.prefix_file.parent());
    Part::History(directory.map_or(PathBuf::new(), |directory| directory.join("history")))
}
