//! What the daemon was told: its configuration as values, and as the text of its files.

use std::collections::BTreeMap;
use std::path::Path;

use super::random::Random;

/// A service of every life.
#[derive(Clone, Copy)]
pub struct Service {
    pub name: &'static str,
    pub prefixes: &'static [&'static str],
}

pub const SERVICES: [Service; 7] = [
    Service {
        name: "four",
        prefixes: &["192.0.2.53/32"],
    },
    Service {
        name: "six",
        prefixes: &["2001:db8:53::53/128"],
    },
    Service {
        name: "both",
        prefixes: &["192.0.2.54/32", "2001:db8:53::54/128"],
    },
    Service {
        name: "share-a",
        prefixes: &["192.0.2.55/32"],
    },
    Service {
        name: "share-b",
        prefixes: &["192.0.2.55/32"],
    },
    // Half of its file ends with 10.60.0.1, which is an address of `lo` as well and no service's.
    Service {
        name: "cut",
        prefixes: &["10.60.0.12/32"],
    },
    // Its check writes to a disk that freezes now and then.
    Service {
        name: "disk",
        prefixes: &["192.0.2.56/32"],
    },
];

pub const BAIT: &str = "10.60.0.1/32";

pub fn all_prefixes() -> Vec<&'static str> {
    let mut prefixes: Vec<_> = SERVICES.iter().flat_map(|s| s.prefixes).copied().collect();
    prefixes.sort_unstable();
    prefixes.dedup();
    prefixes
}

pub fn is_v6(prefix: &str) -> bool {
    prefix.contains(':')
}

/// The settings of one service.
#[derive(Clone, Debug, PartialEq)]
pub struct ServiceConfig {
    pub interval: &'static str,
    pub rise: u64,
    pub fall: u64,
    /// `on_disabled`, if the check is switched off.
    pub disabled: Option<&'static str>,
    /// It has a command of its own to tell BIRD.
    pub custom: bool,
}

impl ServiceConfig {
    pub fn new(random: &mut Random, customs: bool) -> ServiceConfig {
        ServiceConfig {
            interval: random.pick(&["0.3", "0.5", "0.8"]),
            rise: random.between(1, 2),
            fall: random.between(1, 2),
            disabled: match random.below(12) {
                0 => Some("withdraw"),
                1 => Some("advertise"),
                _ => None,
            },
            custom: customs && random.one_in(2),
        }
    }
}

/// The settings of `[daemon]` that change during a life.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    pub by_socket: bool,
    pub update_interval: &'static str,
    pub keep_changes: bool,
    pub log_file: bool,
    pub metrics: bool,
    pub ipv6: bool,
    /// The IPv4 list stands in another file, under another name.
    pub moved: bool,
    pub max_running: u64,
    pub on_exit: &'static str,
    pub level: &'static str,
}

impl Settings {
    pub fn new(random: &mut Random) -> Settings {
        Settings {
            by_socket: !random.one_in(3),
            update_interval: random.pick(&["0", "0.25", "0.25", "1"]),
            keep_changes: random.one_in(2),
            log_file: random.one_in(2),
            metrics: random.one_in(2),
            ipv6: true,
            moved: false,
            max_running: random.pick(&[0, 0, 0, 3]),
            on_exit: random.pick(&["none", "none", "none", "withdraw"]),
            level: random.pick(&["info", "info", "debug"]),
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    pub settings: Settings,
    pub services: BTreeMap<&'static str, ServiceConfig>,
}

impl Config {
    pub fn new(random: &mut Random, customs: bool) -> Config {
        let services = SERVICES
            .iter()
            .map(|service| (service.name, ServiceConfig::new(random, customs)));
        Config {
            services: services.collect(),
            settings: Settings::new(random),
        }
    }

    /// The prefixes of a service in this configuration; none if it is not there.
    pub fn prefixes(&self, service: &Service) -> Vec<&'static str> {
        if !self.services.contains_key(service.name) {
            return Vec::new();
        }
        let wanted = |prefix: &&&str| self.settings.ipv6 || !is_v6(prefix);
        service.prefixes.iter().filter(wanted).copied().collect()
    }

    /// The prefix file of a family, relative to the directory of all prefix files.
    pub fn list(&self, v6: bool) -> &'static str {
        match (v6, self.settings.moved) {
            (true, _) => "6",
            (false, false) => "4",
            (false, true) => "4b",
        }
    }

    /// `[daemon]`. A prefix without a service must not stay, not even after a start.
    pub fn settings_text(&self, places: &Places) -> String {
        let settings = &self.settings;
        let list = |family: &str| places.lists.join(family).join("d/prefixes.conf");
        let at = |name: &str| places.dir.join(name).display().to_string();
        let mut text = format!(
            "[daemon]\npurge_ip_prefixes = true\npidfile = {}\nipv6 = {}\nbird_conf = {}\nbird6_conf = {}\nbird_variable = {}\n\
             bird_reconfigure_timeout = 1\nbird_update_interval = {}\nbird_keep_changes = {}\nbird_changes_counter = 3\n\
             bird6_keep_changes = {}\nbird6_changes_counter = 3\nmax_running_checks = {}\nloglevel = {}\n",
            at("pid"),
            settings.ipv6,
            list(self.list(false)).display(),
            list("6").display(),
            if settings.moved {
                "MOVED"
            } else {
                "ACAST_PS_ADVERTISE"
            },
            settings.update_interval,
            settings.keep_changes,
            settings.keep_changes,
            settings.max_running,
            settings.level,
        );
        for six in ["", "6"] {
            if settings.by_socket {
                text += &format!("bird{six}_control_socket = {}\n", at("node.ctl"));
            } else {
                text += &format!("bird{six}_reconfigure_cmd = {}\n", places.configure);
            }
        }
        if settings.log_file {
            text += &format!(
                "log_file = {}\nlog_maxbytes = 20000\nlog_backups = 2\n",
                at("disk/log/daemon.log")
            );
        }
        if settings.metrics {
            text += &format!(
                "prometheus_exporter = true\nprometheus_exporter_interval = 1\nprometheus_collector_textfile_dir = {}\n",
                at("disk/metrics")
            );
        }
        text
    }

    /// The file of a service; `None` if there is none. The prefixes come last.
    pub fn service_text(&self, service: &Service, places: &Places) -> Option<String> {
        let config = self.services.get(service.name)?;
        let prefixes = self.prefixes(service);
        if prefixes.is_empty() {
            return None;
        }
        let name = service.name;
        let disabled = config.disabled.map_or(String::new(), |on_disabled| {
            format!("check_disabled = true\non_disabled = {on_disabled}\n")
        });
        let enabled = match config.disabled {
            None => "check_disabled = false\n",
            Some(_) => "",
        };
        let custom = match config.custom {
            true => format!(
                "custom_bird_reconfigure_cmd = {}\n",
                places.custom.display()
            ),
            false => String::new(),
        };
        // The last prefix has no length, so that its file can be cut after a part of its address.
        let list = prefixes.join(", ");
        let list = list.strip_suffix("/32").unwrap_or(&list);
        Some(format!(
            "[{name}]\n{enabled}{disabled}{custom}check_cmd = {} {name}\ncheck_interval = {}\ncheck_timeout = 3\ncheck_rise = {}\n\
             check_fail = {}\nshared_prefix = {}\non_exit = {}\nmaintenance_file = {}\nip_prefix = {list}\n",
            places.dir.join(format!("check-{name}")).display(),
            config.interval,
            config.rise,
            config.fall,
            name.starts_with("share"),
            self.settings.on_exit,
            places.dir.join("maintenance").join(name).display(),
        ))
    }
}

/// Where everything is.
pub struct Places<'a> {
    pub dir: &'a Path,
    /// Of the prefix files.
    pub lists: std::path::PathBuf,
    /// What makes BIRD read its configuration, as a command.
    pub configure: String,
    /// The same, with one more word, which does not matter.
    pub custom: std::path::PathBuf,
}
