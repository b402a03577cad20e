//! The engine as a [`Snapshot`], for whoever looks at it from outside.

use super::routes::{Channel, PrefixFile};
use super::service::{Service, State};
use super::snapshot::{FamilyView, ServiceView, Snapshot};
use super::vocab::Status;
use super::{Engine, Family, ServiceId};

impl Engine {
    pub fn snapshot(&self) -> Snapshot<'_> {
        let mut services = Vec::with_capacity(self.services.order.len());
        for id in &self.services.order {
            services.extend(self.view(*id));
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

    /// The status of each service, and whether it is under maintenance: a look that costs next to nothing.
    pub fn states(&self) -> impl Iterator<Item = (Status, bool)> {
        let services = self.services.iter();
        services.map(|service| (service.status(), service.maintenance))
    }

    /// Whether some prefix file, or its BIRD, cannot be made to say what the checks ask for.
    pub fn has_trouble(&self) -> bool {
        let mut views = Family::ALL
            .into_iter()
            .filter_map(|family| self.family_view(family));
        views.any(|view| view.trouble.is_some())
    }

    fn view(&self, id: ServiceId) -> Option<ServiceView<'_>> {
        let service: &Service = self.services.get(id)?;
        let config = &service.config;
        let looked_at = !config.ip_check_disabled && service.state() != State::Disabled;
        let assigned = |prefix| looked_at.then(|| self.addresses.covers(&config.interface, prefix));
        Some(ServiceView {
            config,
            status: service.status(),
            reason: service.reason(),
            maintenance: service.maintenance,
            since: service.since(),
            assigned: config.prefixes.iter().map(assigned).collect(),
            advertised: config
                .prefixes
                .iter()
                .map(|prefix| self.routes.advertises(prefix))
                .collect(),
            last: service.last(),
            next_run: (service.next_run.as_ref()).map(|timer| self.desk.wheel.deadline(timer)),
            running: service.run.is_some(),
            state_value: service.state_value(),
            duration: service.duration(),
            counters: service.counters(),
        })
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
