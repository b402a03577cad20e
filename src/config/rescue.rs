//! What a withdrawal needs of a configuration, valid or not: the prefix files, how BIRD is told, the services' own
//! commands, the log, the metrics.
//!
//! A setting that is wrong is left out, so that its built-in value counts, and the rest is checked again, until
//! nothing is wrong any more. A service without a prefix is left out as a whole, and so is a family whose prefix file
//! cannot exist. What was left out is told. Checks are not run, so nothing about them can be wrong.

use std::rc::Rc;
use std::time::Duration;

use super::complaints::Complaints;
use super::document::{Document, Origin};
use super::facts::Probes;
use super::settings;
use super::{Announce, Complaint, Config, ServiceConfig, Severity, bird, check};
use crate::sorted::Set;

/// What came of it.
#[derive(Debug)]
pub struct Rescued {
    /// Every service is disabled, and its prefixes are withdrawn; what no service has is withdrawn as well.
    pub config: Config,
    /// What is wrong and was left out.
    pub left_out: Vec<Complaint>,
    /// How long a daemon with these services takes from its start to the verdict on each of them.
    pub first_verdicts: Duration,
}

/// How often something is left out and the rest checked again. Nearly everything that can be wrong shows in the first.
const MAX_ROUNDS: u32 = 8;
/// The words that stand in for those of a check.
const NO_CHECK: &str = "true";
/// Lies in a directory that exists everywhere; no pidfile is written.
const NO_PIDFILE: &str = "/pidfile";

/// Takes what can be taken; `None` if nothing can, not even the built-in defaults.
pub fn rescue(document: &Document, probes: Probes<'_>) -> Option<Rescued> {
    let mut document = document.clone();
    let mut left_out = Vec::new();
    let mut rounds = 0;
    let mut config = loop {
        document.set_in_daemon(&settings::PIDFILE, NO_PIDFILE);
        document.set_in_services(&settings::CHECK_CMD, NO_CHECK);
        document.set_in_services(&settings::SHARED_PREFIX, "true");
        let mut complaints = Complaints::default();
        if let Some(config) = check::check(&document, probes, &mut complaints) {
            break config;
        }
        rounds += 1;
        let next = match rounds <= MAX_ROUNDS {
            true => without_errors(&document, &complaints),
            false => without_services(&document),
        };
        let next = next?;
        left_out.extend(errors(complaints, &document));
        document = next;
    };
    let first_verdicts = first_verdicts(&config);
    config.daemon.purge_ip_prefixes = true;
    for service in &mut config.services {
        let service = Rc::make_mut(service);
        service.disabled = true;
        service.on_disabled = Announce::Withdraw;
    }
    Some(Rescued {
        config,
        left_out,
        first_verdicts,
    })
}

fn errors(complaints: Complaints, document: &Document) -> Vec<Complaint> {
    let mut all = complaints.in_order(document);
    all.retain(|complaint| complaint.severity == Severity::Error);
    all
}

/// The document without what is wrong with it; `None` if nothing can be left out any more.
fn without_errors(document: &Document, complaints: &Complaints) -> Option<Document> {
    let mut wrong = Set::new();
    let mut off = Vec::new();
    for (origin, complaint) in complaints.errors() {
        match bird::family_of_file(&complaint.option) {
            // The file that the built-in value names would be another one.
            Some(family) => off.push(check::family_switch(family)),
            None => {
                wrong.insert(origin);
            }
        }
    }
    wrong.remove(&Origin::default());
    let (mut copy, mut fewer) = document.without(&wrong);
    for switch in off {
        copy.set_in_daemon(switch, "false");
        fewer = true;
    }
    if fewer {
        return Some(copy);
    }
    without_services(document)
}

/// What is wrong is no single setting: there are too many services, or their values are too large. Their prefixes are
/// withdrawn all the same.
fn without_services(document: &Document) -> Option<Document> {
    let any = document.services().next().is_some();
    any.then(|| document.without_services())
}

/// Until the slowest of the services has been checked often enough, all of them being healthy or none.
fn first_verdicts(config: &Config) -> Duration {
    let enabled = config.services.iter().filter(|service| !service.disabled);
    let slowest = enabled.map(|service| first_verdict(service)).max();
    let splay = config.daemon.splay_startup.unwrap_or_default();
    splay.saturating_add(slowest.unwrap_or_default())
}

fn first_verdict(service: &ServiceConfig) -> Duration {
    let runs = service.rise.max(service.fall);
    let before = service.interval.saturating_mul(runs.saturating_sub(1));
    before.saturating_add(service.timeout)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Via, fixture, ini};

    fn document(text: &str) -> Document {
        let mut document = Document::built_in();
        let file = document.add_file("a.conf");
        let bytes = text.as_bytes();
        ini::read(bytes, file, &mut document, &mut Complaints::default());
        document
    }

    fn rescued(text: &str) -> Rescued {
        rescue(&document(text), fixture::probes()).expect("something is left")
    }

    const GOOD: &str = "\
[daemon]
bird_conf = /var/lib/a.conf
bird_variable = OURS
bird_control_socket = /run/bird.ctl
";

    #[test]
    fn a_valid_configuration_is_taken_whole_and_withdraws_everything() {
        let text = format!(
            "{GOOD}[web]\ncheck_cmd = curl\nip_prefix = 10.0.0.1/32\ncheck_disabled = false\ncheck_interval = 10\n\
             check_fail = 3\ncheck_rise = 2\ncheck_timeout = 4\non_disabled = advertise\n\
             custom_bird_reconfigure_cmd = tell it\n[off]\ncheck_cmd = x\nip_prefix = 10.0.0.1/32\n\
             check_disabled = true\ncheck_interval = 1000\ncheck_fail = 9\n"
        );
        let found = rescued(&text);
        assert_eq!(found.left_out, []);
        assert_eq!(found.first_verdicts, Duration::from_secs(24));
        assert!(found.config.daemon.purge_ip_prefixes);
        let [web, off] = &found.config.services[..] else {
            panic!("{:?}", found.config.services);
        };
        assert!(web.disabled && off.disabled);
        assert_eq!(web.on_disabled, Announce::Withdraw);
        assert!(web.custom_cmd.is_some());
    }

    #[test]
    fn what_is_wrong_costs_itself_alone() {
        let text = format!(
            "{GOOD}dummy_ip_prefix = nonsense\nlog_file = %(nothing)s\nloglevel = loud\non_exit_wait = soon\n\
             [web]\nip_prefix = 10.0.0.1/32\ncheck_interval = never\non_exit = x\n\
             custom_bird_reconfigure_cmd = tell\n[odd]\ncheck_cmd = x\nip_prefix = 10.0.0.300\n"
        );
        let found = rescued(&text);
        let options: Vec<&str> = found.left_out.iter().map(|c| c.option.as_str()).collect();
        assert_eq!(
            options,
            [
                "dummy_ip_prefix",
                "log_file",
                "loglevel",
                "on_exit_wait",
                "check_interval",
                "on_exit",
                "ip_prefix",
                "ip_prefix"
            ]
        );
        let family = found.config.daemon.families[0]
            .as_ref()
            .expect("IPv4 is on");
        assert_eq!(family.variable, "OURS");
        assert_eq!(family.via, Via::Socket("/run/bird.ctl".into()));
        assert_eq!(family.dummy.to_string(), "10.189.200.255/32");
        let names: Vec<&str> = found
            .config
            .services
            .iter()
            .map(|s| s.name.as_str())
            .collect();
        assert_eq!(names, ["web"]);
    }

    #[test]
    fn a_family_whose_file_cannot_exist_is_left_out_and_the_other_stays() {
        let text = format!("{GOOD}ipv6 = true\nbird6_conf = /missing/6.conf\n");
        let found = rescued(&text);
        assert!(found.config.daemon.families[0].is_some());
        assert!(found.config.daemon.families[1].is_none());
        assert_eq!(found.left_out.len(), 1);
    }

    #[test]
    fn services_that_are_too_large_are_withdrawn_with_what_no_service_has() {
        let long = "x".repeat(60_000);
        let mut text = format!("{GOOD}[DEFAULT]\ncustom_bird_reconfigure_cmd = {long}\n");
        for number in 0..1000 {
            let (high, low) = (number / 256, number % 256);
            text.push_str(&format!("[s{number}]\nip_prefix = 10.0.{high}.{low}\n"));
        }
        let found = rescued(&text);
        assert!(found.config.services.is_empty() && found.config.daemon.purge_ip_prefixes);
        assert!(found.config.daemon.families[0].is_some());
    }
}
