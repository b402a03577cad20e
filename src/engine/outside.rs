//! What holds a service down from outside: a prefix that is not assigned, a maintenance file that exists.
//!
//! Either takes effect at once and whatever the check says; when the last of them is over, the service is checked at once
//! and comes back through `check_rise`.

use std::path::PathBuf;
use std::rc::Rc;

use super::notice::What;
use super::service::{Input, Service, State};
use super::verdicts::log_repeats;
use super::vocab::{Addresses, Reason};
use super::{Engine, ServiceId, Stage};
use crate::time::Mono;

impl Engine {
    pub(super) fn addresses_changed(&mut self, now: Mono, addresses: Rc<Addresses>) {
        self.addresses = addresses;
        for id in self.services.order.clone() {
            self.look_outside(now, id);
        }
    }

    pub(super) fn maintenance_changed(&mut self, now: Mono, path: PathBuf, present: bool) {
        for id in self.services.order.clone() {
            let Some(service) = self.services.get_mut(id) else {
                continue;
            };
            if service.config.maintenance_file.as_ref() == Some(&path) {
                service.maintenance = present;
                if !present && service.reason() == Reason::Maintenance {
                    self.desk
                        .say_of(service, What::MaintenanceOver { path: path.clone() });
                }
                self.look_outside(now, id);
            }
        }
    }

    /// Holds a service down or releases it by what is the case outside: its addresses and its maintenance file.
    pub(super) fn look_outside(&mut self, now: Mono, id: ServiceId) {
        let Some(service) = self.services.get(id) else {
            return;
        };
        if self.stage != Stage::Running {
            return;
        }
        let reason = self.hold_reason(service);
        let (held, was_checkable) = (service.state() == State::Held, service.checkable());
        if reason.is_none() && !held || held && reason == Some(service.reason()) {
            return;
        }
        let released = reason.is_none();
        let Some(service) = self.services.get_mut(id) else {
            return;
        };
        let change = service.input(reason.map_or(Input::Release, Input::Hold), now);
        // A run that began under other circumstances says nothing about the present ones.
        Engine::call_off(&mut self.desk, now, service);
        let checkable = service.checkable();
        let next = service.next_slot(now);
        if let Some(change) = change {
            log_repeats(&mut self.desk, service);
            self.changed(id, change, None, "");
        }
        match (was_checkable, checkable) {
            (true, false) => self.disarm_run(id),
            (false, true) => self.arm_run(id, next),
            (true, true) | (false, false) => {}
        }
        if checkable && (released || !was_checkable) {
            self.run_soon(id);
        }
    }

    /// The address comes first: without it the check would ask some other host.
    fn hold_reason(&self, service: &Service) -> Option<Reason> {
        let config = &service.config;
        if !config.ip_check_disabled {
            let missing = config
                .prefixes
                .iter()
                .find(|prefix| !self.addresses.covers(&config.interface, prefix));
            if let Some(prefix) = missing {
                return Some(Reason::AddressMissing { prefix: *prefix });
            }
        }
        service.maintenance.then_some(Reason::Maintenance)
    }
}
