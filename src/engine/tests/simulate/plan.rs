//! Configurations by chance, and what an operator may make of one.

use std::path::PathBuf;
use std::time::Duration;

use super::chance::Chance;
use crate::config::*;
use crate::engine::tests::{config, net, service};
use crate::sorted::Set;
use ipnetwork::IpNetwork;

/// Prefixes that belong to one service at a time, and those that may be shared.
const PRIVATE: [&str; 9] = [
    "192.0.2.1/32",
    "192.0.2.2/32",
    "192.0.2.3/32",
    "192.0.2.4/32",
    "192.0.2.64/28",
    "192.0.2.6/32",
    "2001:db8:1::1/128",
    "2001:db8:1::2/128",
    "2001:db8:1::3/128",
];
const SHARED: [&str; 2] = ["198.51.100.1/32", "2001:db8:2::1/128"];
/// In a file of somebody else's making.
const STRANGE: [&str; 3] = ["203.0.113.1/32", "203.0.113.2/32", "2001:db8:3::1/128"];
const SERVICES_MAX: usize = 8;
pub const SPLAY_MAX: Duration = Duration::from_secs(200);

pub fn all_prefixes() -> Vec<IpNetwork> {
    PRIVATE
        .iter()
        .chain(&SHARED)
        .map(|text| net(text))
        .collect()
}

pub fn strangers() -> Vec<IpNetwork> {
    STRANGE.iter().map(|text| net(text)).collect()
}

pub fn maintenance_files() -> [PathBuf; 2] {
    ["/run/one".into(), "/run/two".into()]
}

/// Every BIRD that there is.
pub fn vias() -> [Via; 3] {
    [
        Via::Command(CommandLine::of([
            "birdc".to_string(),
            "configure".to_string(),
        ])),
        Via::Socket("/run/bird.ctl".into()),
        Via::Socket("/run/bird6.ctl".into()),
    ]
}

/// Every prefix file that a family may have; the first two are IPv4's.
pub fn paths() -> [PathBuf; 4] {
    ["/4".into(), "/4b".into(), "/6".into(), "/6b".into()]
}

pub const INTERFACES: [&str; 2] = ["lo", "eth0"];

pub struct Plan {
    pub daemon: DaemonConfig,
    services: Vec<ServiceConfig>,
    names: u32,
}

impl Plan {
    pub fn new(chance: &mut Chance) -> Plan {
        let mut plan = Plan {
            daemon: config([]).daemon,
            services: Vec::new(),
            names: 0,
        };
        for family in Family::ALL {
            plan.reroute(chance, family);
        }
        plan.set_limits(chance);
        for _ in 0..=chance.below(SERVICES_MAX as u64) {
            plan.add(chance);
        }
        if chance.percent(2) {
            plan.add_crowd(chance);
        }
        plan
    }

    pub fn config(&self) -> Config {
        Config {
            daemon: self.daemon.clone(),
            ..config(self.services.iter().cloned())
        }
    }

    /// What an operator does before SIGHUP.
    pub fn edit(&mut self, chance: &mut Chance) {
        for _ in 0..chance.below(4) {
            match chance.below(10) {
                0 => self.add(chance),
                1 => self.remove(chance),
                2 | 3 => self.change(chance),
                4 => self.rename(chance),
                5 => self.swap(chance),
                6 => self.toggle(chance),
                7 => {
                    let family = *chance.pick(&Family::ALL);
                    self.reroute(chance, family);
                }
                8 => self.set_limits(chance),
                _ => {
                    let at = chance.below(self.services.len().max(1) as u64) as usize;
                    if let Some(service) = self.services.get_mut(at) {
                        decorate(chance, service);
                    }
                }
            }
        }
    }

    fn new_name(&mut self) -> String {
        self.names += 1;
        format!("s{}", self.names)
    }

    fn enabled(&self, prefix: &IpNetwork) -> bool {
        self.daemon.families[Family::of(prefix).index()].is_some()
    }

    fn free_prefixes(&self) -> Vec<&'static str> {
        let used: Set<IpNetwork> = self
            .services
            .iter()
            .flat_map(|service| service.prefixes.iter().copied())
            .collect();
        let mut free = PRIVATE.to_vec();
        free.retain(|text| self.enabled(&net(text)) && !used.contains(&net(text)));
        free
    }

    /// One to three free prefixes, or one that others may have, too.
    fn choose(&self, chance: &mut Chance) -> Option<(String, bool)> {
        if chance.percent(30) {
            let text = *chance.pick(&SHARED);
            return self.enabled(&net(text)).then(|| (text.to_string(), true));
        }
        let mut free = self.free_prefixes();
        let mut chosen = Vec::new();
        for _ in 0..=chance.below(3).min(chance.below(3)) {
            if !free.is_empty() {
                chosen.push(free.remove(chance.below(free.len() as u64) as usize));
            }
        }
        (!chosen.is_empty()).then(|| (chosen.join(" "), false))
    }

    fn add(&mut self, chance: &mut Chance) {
        if self.services.len() >= SERVICES_MAX {
            return;
        }
        let Some((prefixes, shared_prefix)) = self.choose(chance) else {
            return;
        };
        let name = self.new_name();
        let mut new = ServiceConfig {
            shared_prefix,
            ..service(&name, &prefixes)
        };
        tune(chance, &mut new);
        for _ in 0..chance.below(3) {
            decorate(chance, &mut new);
        }
        let at = chance.below(self.services.len() as u64 + 1) as usize;
        self.services.insert(at, new);
    }

    /// Hundreds of services, none of which depends on addresses.
    fn add_crowd(&mut self, chance: &mut Chance) {
        if self.daemon.families[0].is_none() {
            return;
        }
        for number in 0..100 + chance.below(200) {
            let name = self.new_name();
            let prefix = format!("10.{}.{}.1/32", number / 250, number % 250);
            let mut new = ServiceConfig {
                ip_check_disabled: true,
                ..service(&name, &prefix)
            };
            tune(chance, &mut new);
            self.services.push(new);
        }
    }

    fn remove(&mut self, chance: &mut Chance) {
        if !self.services.is_empty() {
            let at = chance.below(self.services.len() as u64) as usize;
            self.services.remove(at);
        }
    }

    fn change(&mut self, chance: &mut Chance) {
        let Some((prefixes, shared_prefix)) = self.choose(chance) else {
            return;
        };
        let at = chance.below(self.services.len().max(1) as u64) as usize;
        let Some(old) = self.services.get_mut(at) else {
            return;
        };
        if chance.percent(50) {
            let new = service(&old.name, &prefixes);
            old.prefixes = new.prefixes;
            old.prefix_texts = new.prefix_texts;
            old.shared_prefix = shared_prefix;
        } else {
            tune(chance, old);
        }
    }

    fn rename(&mut self, chance: &mut Chance) {
        let name = self.new_name();
        let at = chance.below(self.services.len().max(1) as u64) as usize;
        if let Some(service) = self.services.get_mut(at) {
            service.name = name;
        }
    }

    /// Two services exchange their prefixes, or their names.
    fn swap(&mut self, chance: &mut Chance) {
        if self.services.len() < 2 {
            return;
        }
        let names = chance.percent(50);
        let (first, rest) = self.services.split_at_mut(1);
        let other = chance.below(rest.len() as u64) as usize;
        let (one, other) = (&mut first[0], &mut rest[other]);
        if names {
            std::mem::swap(&mut one.name, &mut other.name);
        } else {
            std::mem::swap(&mut one.prefixes, &mut other.prefixes);
            std::mem::swap(&mut one.prefix_texts, &mut other.prefix_texts);
            std::mem::swap(&mut one.shared_prefix, &mut other.shared_prefix);
        }
    }

    /// Switches a family off or on; the other one stays.
    fn toggle(&mut self, chance: &mut Chance) {
        let family = *chance.pick(&Family::ALL);
        let slot = &mut self.daemon.families[family.index()];
        if slot.take().is_none() {
            *slot = config([]).daemon.families[family.index()].clone();
            return self.reroute(chance, family);
        }
        let other = Family::ALL[1 - family.index()];
        if self.daemon.families[other.index()].is_none() {
            self.daemon.families[other.index()] = config([]).daemon.families[other.index()].clone();
            self.reroute(chance, other);
        }
        for service in &mut self.services {
            let stays = |net: &&IpNetwork| Family::of(net) != family;
            service.prefixes = service.prefixes.iter().filter(stays).copied().collect();
            let stays = |text: &&String| Family::of(&net(text)) != family;
            service.prefix_texts = service.prefix_texts.iter().filter(stays).cloned().collect();
        }
        self.services.retain(|service| !service.prefixes.is_empty());
    }

    /// Another way to BIRD, or another name of the list.
    fn reroute(&mut self, chance: &mut Chance, family: Family) {
        if let Some(config) = &mut self.daemon.families[family.index()] {
            config.via = chance.pick(&vias()).clone();
            config.variable = chance.pick(&["X", "Y"]).to_string();
            config.history = *chance.pick(&[None, Some(3)]);
            let first = 2 * family.index();
            config.prefix_file = chance.pick(&paths()[first..first + 2]).clone();
            config.dummy = match family {
                Family::V4 => net(chance.pick::<&str>(&["10.189.200.255/32", "10.189.200.254/32"])),
                Family::V6 => net(chance.pick::<&str>(&["2001:db8::1/128", "2001:db8::2/128"])),
            };
        }
    }

    fn set_limits(&mut self, chance: &mut Chance) {
        let daemon = &mut self.daemon;
        daemon.max_running_checks = *chance.pick(&[0, 0, 0, 1, 2, 5]);
        daemon.update_interval = Duration::from_millis(*chance.pick(&[0, 250, 250, 1000]));
        daemon.reconfigure_timeout = Duration::from_millis(*chance.pick(&[1000, 5000]));
        daemon.on_exit_wait = Duration::from_millis(*chance.pick(&[0, 0, 500, 10_000]));
        daemon.splay_startup = *chance.pick(&[None, Some(Duration::from_secs(3)), Some(SPLAY_MAX)]);
        daemon.purge_ip_prefixes = chance.percent(30);
        daemon.metrics = chance.percent(50).then(|| MetricsConfig {
            directory: "/m".into(),
            interval: Duration::from_secs(20),
        });
    }
}

/// Another rhythm.
fn tune(chance: &mut Chance, service: &mut ServiceConfig) {
    // Odd numbers: no slot of the grid falls together with the end of a grace.
    let intervals = [530, 2170, 2170, 10_090, 10_090, 3_601_000];
    service.interval = Duration::from_millis(*chance.pick(&intervals));
    service.timeout = Duration::from_millis(*chance.pick(&[310, 1013, 3007]));
    service.fast_interval = *chance.pick(&[None, Some(Duration::from_millis(211))]);
    service.interface = (*chance.pick(&INTERFACES)).into();
    service.rise = 1 + chance.below(3) as u32;
    service.fall = 1 + chance.below(3) as u32;
}

/// Something out of the ordinary, or its end.
fn decorate(chance: &mut Chance, service: &mut ServiceConfig) {
    let words = [Announce::Keep, Announce::Withdraw, Announce::Advertise];
    match chance.below(8) {
        0 => {
            service.disabled = !service.disabled;
            service.on_disabled = *chance.pick(&words[1..]);
        }
        1 => service.ip_check_disabled = !service.ip_check_disabled,
        2 => service.on_start = *chance.pick(&words),
        3 => service.on_exit = *chance.pick(&words),
        4 => service.maintenance_file = Some(chance.pick(&maintenance_files()).clone()),
        5 => service.maintenance_file = None,
        6 => service.custom_cmd = Some(CommandLine::of(["/bin/custom".to_string()])),
        _ => service.custom_cmd = None,
    }
}
