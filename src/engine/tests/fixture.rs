//! Configurations and worlds for the tests.

use super::*;
use crate::config::fixture::{log_config, service_config};
use crate::sorted::Set;

pub fn net(text: &str) -> IpNetwork {
    text.parse().expect("a prefix")
}

pub fn service(name: &str, prefix: &str) -> ServiceConfig {
    let prefixes: Vec<&str> = prefix.split(' ').collect();
    service_config(name, &prefixes)
}

fn family(file: &str, via: &str, dummy: &str) -> Option<FamilyConfig> {
    Some(FamilyConfig {
        prefix_file: file.into(),
        variable: "X".to_string(),
        via: Via::Command(CommandLine::of([via.to_string()])),
        dummy: net(dummy),
        history: None,
    })
}

pub fn config(services: impl IntoIterator<Item = ServiceConfig>) -> Config {
    Config {
        daemon: DaemonConfig {
            pidfile: "/run/x.pid".into(),
            families: [
                family("/4", "birdc", "10.189.200.255/32"),
                family("/6", "birdc6", "2001:db8::1/128"),
            ],
            purge_ip_prefixes: false,
            log: log_config(),
            metrics: None,
            splay_startup: None,
            on_exit_wait: Duration::ZERO,
            update_interval: Duration::from_millis(250),
            reconfigure_timeout: Duration::from_secs(5),
            max_running_checks: 0,
        },
        services: services.into_iter().map(Rc::new).collect(),
    }
}

/// All prefixes of the services are assigned to `lo`, and the files hold `found`.
pub fn world(config: Config, found: &[&str]) -> World {
    let mut addresses = Addresses::default();
    for service in &config.services {
        service
            .prefixes
            .iter()
            .for_each(|prefix| addresses.insert("lo", prefix.ip()));
    }
    let file = |family| FoundFile {
        prefixes: found
            .iter()
            .map(|text| net(text))
            .filter(|net| Family::of(net) == family)
            .collect(),
        repair: None,
    };
    World {
        config,
        warnings: Vec::new(),
        files: Family::ALL.map(file),
        addresses: Rc::new(addresses),
        maintenance: Set::new(),
    }
}

pub const A: &str = "192.0.2.1/32";
pub const B: &str = "192.0.2.2/32";
pub const C: &str = "192.0.2.3/32";
pub const V6: &str = "2001:db8:1::1/128";

pub fn seconds(number: u64) -> Duration {
    Duration::from_secs(number)
}

/// A service that one result decides.
pub fn quick(name: &str, prefix: &str) -> ServiceConfig {
    ServiceConfig {
        rise: 1,
        fall: 1,
        ..service(name, prefix)
    }
}

/// Every check passes.
pub fn pass(_: &str) -> Option<Ended> {
    Some(Ended::Exit(0))
}
