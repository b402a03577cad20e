//! The engine as a [`Snapshot`], for whoever looks at it from outside.

use std::ops::Range;
use std::time::Duration;

use super::routes::{Channel, PrefixFile};
use super::service::{Service, State};
use super::snapshot::{Counts, FamilyView, Overview, ServiceView, Snapshot, Source};
use super::vocab::Status;
use super::{Engine, Family};
use crate::config::ServiceConfig;
use crate::time::Mono;

impl Source for Engine {
    fn window(&self, places: Range<usize>, prefixes: bool) -> Snapshot<'_> {
        let order = &self.services.order;
        let end = places.end.min(order.len());
        let ids = order.get(places.start..end).unwrap_or_default();
        let mut services = Vec::with_capacity(ids.len());
        for id in ids {
            let service = self.services.get(*id);
            services.extend(service.map(|service| self.view(service, prefixes)));
        }
        let mut families = Vec::new();
        for family in Family::ALL {
            families.extend(self.family_view(family));
        }
        let waiting = match self.daemon.max_running_checks {
            0 => 0,
            _ => self.queue.len(),
        };
        Snapshot {
            started: self.started,
            services,
            families,
            customs: self.customs.counters,
            reloads: self.reloads,
            running: self.desk.running as usize,
            waiting,
            abandoned: self.desk.abandoned,
        }
    }

    fn overview(&self, now: Mono, most: usize) -> Overview<'_> {
        let splay = self.daemon.splay_startup.unwrap_or_default();
        let mut overview = Overview {
            counts: Counts::default(),
            ill: Vec::new(),
        };
        for id in &self.services.order {
            let Some(service) = self.services.get(*id) else {
                continue;
            };
            let status = service.status();
            let overdue = status == Status::Unknown
                && now.since(service.since()) > splay + verdict_within(&service.config);
            overview.counts.add(status, service.maintenance, overdue);
            if overview.ill.len() < most && (status == Status::Down || overdue) {
                overview.ill.push(self.view(service, true));
            }
        }
        overview
    }
}

/// When the first verdict is there at the latest, from the first run on.
fn verdict_within(config: &ServiceConfig) -> Duration {
    let runs = config.rise.max(config.fall);
    (config.interval + config.timeout).saturating_mul(runs)
}

impl Engine {
    /// All of it, for tests.
    #[cfg(test)]
    pub fn snapshot(&self) -> Snapshot<'_> {
        self.window(0..usize::MAX, true)
    }

    /// Whether some prefix file, or its BIRD, cannot be made to say what the checks ask for.
    pub fn has_trouble(&self) -> bool {
        let mut views = Family::ALL
            .into_iter()
            .filter_map(|family| self.family_view(family));
        views.any(|view| view.trouble.is_some())
    }

    fn view<'a>(&'a self, service: &'a Service, prefixes: bool) -> ServiceView<'a> {
        let config = &service.config;
        let of_prefixes = match prefixes {
            true => &config.prefixes[..],
            false => &[],
        };
        let looked_at = !config.ip_check_disabled && service.state() != State::Disabled;
        let assigned = |prefix| looked_at.then(|| self.addresses.covers(&config.interface, prefix));
        ServiceView {
            config,
            status: service.status(),
            reason: service.reason(),
            maintenance: service.maintenance,
            since: service.since(),
            assigned: of_prefixes.iter().map(assigned).collect(),
            advertised: of_prefixes
                .iter()
                .map(|prefix| self.routes.advertises(prefix))
                .collect(),
            last: service.last(),
            next_run: (service.next_run.as_ref()).map(|timer| self.desk.wheel.deadline(timer)),
            running: service.run.is_some(),
            state_value: service.state_value(),
            duration: service.duration(),
            counters: service.counters(),
        }
    }

    /// The file that counts, or the one that is being left if there is none; in trouble if one of them is.
    fn family_view(&self, family: Family) -> Option<FamilyView<'_>> {
        let routes = &self.routes;
        let current = routes.families[family.index()].as_ref();
        let file = current.or_else(|| routes.files_of_family(family).next())?;
        let mut all = routes.files_of_family(family);
        let settled = |file: &PrefixFile| {
            file.settled() && routes.channel_of(file).is_none_or(Channel::bird_knows)
        };
        Some(FamilyView {
            family,
            written: file.lists.written(),
            settled: all.all(settled),
            trouble: (routes.files_of_family(family)).find_map(|file| routes.trouble_of(file)),
            counters: file.counters,
        })
    }
}
