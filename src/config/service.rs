//! The rules about one service.

use std::time::Duration;

use ipnetwork::IpNetwork;

use super::facts::{Facts, Place, parent};
use super::read::Reader;
use super::settings::{self, Setting};
use super::text::{listed, quoted};
use super::{Announce, CommandLine, Family, ServiceConfig, check, numbers, prefix};

/// Prefixes of one service, so that one bad file can't fill the memory.
const MAX_PREFIXES: usize = 1000;

/// Reads one service; what can't be read is complained about and replaced by a stand-in.
pub fn service(
    reader: &mut Reader<'_, '_>,
    facts: &mut Facts<'_>,
    enabled: [bool; 2],
) -> ServiceConfig {
    let mut service = ServiceConfig {
        name: reader.view.name().to_string(),
        prefixes: Box::default(),
        prefix_texts: Box::default(),
        check_cmd: check_cmd(reader, facts),
        interval: reader.span(&settings::CHECK_INTERVAL),
        fast_interval: None,
        timeout: reader.span(&settings::CHECK_TIMEOUT),
        rise: reader.count(&settings::CHECK_RISE),
        fall: reader.count(&settings::CHECK_FAIL),
        disabled: reader.flag(&settings::CHECK_DISABLED).unwrap_or(true),
        on_disabled: announce(reader, &settings::ON_DISABLED),
        ip_check_disabled: reader.flag(&settings::IP_CHECK_DISABLED).unwrap_or(true),
        interface: "".into(),
        shared_prefix: reader.is_on(&settings::SHARED_PREFIX),
        on_start: announce(reader, &settings::ON_START),
        on_exit: announce(reader, &settings::ON_EXIT),
        maintenance_file: None,
        custom_cmd: custom_cmd(reader, facts),
        custom_timeout: reader.span(&settings::CUSTOM_BIRD_RECONFIGURE_CMD_TIMEOUT),
    };
    let interface = reader.text(&settings::INTERFACE).unwrap_or_default();
    service.interface = facts.shared(&interface);
    let set = reader.filled(&settings::CHECK_FAST_INTERVAL).is_some();
    if set {
        service.fast_interval = reader.seconds(&settings::CHECK_FAST_INTERVAL);
    }
    maintenance_file(reader, facts, &mut service);
    prefixes(reader, &mut service, enabled);
    spans(reader, &service);
    addresses(reader, facts, &service);
    service
}

fn announce(reader: &mut Reader<'_, '_>, setting: &'static Setting) -> Announce {
    match reader.one_of(setting).as_deref() {
        Some("withdraw") => Announce::Withdraw,
        Some("advertise") => Announce::Advertise,
        _ => Announce::Keep,
    }
}

/// Required even while the check is disabled, and it must be there: so the reference has it.
fn check_cmd(reader: &mut Reader<'_, '_>, facts: &mut Facts<'_>) -> CommandLine {
    let setting = &settings::CHECK_CMD;
    if !reader.is_set(setting) {
        reader.error(setting, "is missing, but required".to_string());
    }
    let words = reader.words(setting).unwrap_or_default();
    let why = words.first().and_then(|w| facts.why_not_runnable(w));
    reader.error_if(setting, why);
    CommandLine::of(words)
}

fn custom_cmd(reader: &mut Reader<'_, '_>, facts: &mut Facts<'_>) -> Option<CommandLine> {
    let setting = &settings::CUSTOM_BIRD_RECONFIGURE_CMD;
    reader.filled(setting)?;
    let words = reader.words(setting)?;
    reader.warn_if(setting, facts.why_not_runnable(&words[0]));
    Some(CommandLine::of(words))
}

fn maintenance_file(
    reader: &mut Reader<'_, '_>,
    facts: &mut Facts<'_>,
    service: &mut ServiceConfig,
) {
    let setting = &settings::MAINTENANCE_FILE;
    service.maintenance_file = reader.optional_path(setting);
    let Some(file) = &service.maintenance_file else {
        return;
    };
    let message = match facts.place(&parent(file)) {
        Place::Directory { .. } => return,
        Place::Hidden(cause) => format!("cannot look at its directory: {cause}"),
        _ => "its directory does not exist: make it".to_string(),
    };
    reader.warn(setting, message);
}

fn prefixes(reader: &mut Reader<'_, '_>, service: &mut ServiceConfig, enabled: [bool; 2]) {
    let setting = &settings::IP_PREFIX;
    if !reader.is_set(setting) {
        reader.error(setting, "is missing, but required".to_string());
        return;
    }
    let Some(text) = reader.text(setting) else {
        return;
    };
    let (mut found, mut texts) = (Vec::new(), Vec::new());
    let mut words = 0;
    for word in listed(&text) {
        words += 1;
        match prefix::parse(word) {
            Err(why) => reader.refuse(setting, word, &why.to_string()),
            Ok(prefix) if !enabled[Family::of(&prefix).index()] => {
                let switch = check::family_switch(Family::of(&prefix)).key;
                let why = format!("can't be announced while {switch} is false");
                reader.refuse(setting, word, &why);
            }
            Ok(prefix) => {
                found.push(prefix);
                texts.push(word.to_string());
            }
        }
        if words > MAX_PREFIXES {
            let message =
                format!("more than {MAX_PREFIXES} prefixes: make several services of them");
            reader.error(setting, message);
            return;
        }
    }
    if words == 0 {
        reader.error(setting, "names no prefix".to_string());
    }
    let same = |(prefix, text): (&IpNetwork, &String)| *text == prefix.to_string();
    if found.iter().zip(&texts).all(same) {
        texts.clear();
    }
    service.prefixes = found.into();
    service.prefix_texts = texts.into();
}

/// Spans of time that fit badly together.
fn spans(reader: &mut Reader<'_, '_>, service: &ServiceConfig) {
    let (interval, timeout) = (service.interval, service.timeout);
    if interval.is_zero() || timeout.is_zero() || service.disabled {
        return;
    }
    if timeout > interval {
        let message = format!(
            "{} ({} s) is longer than {} ({} s): runs that time out will skip their next turns",
            settings::CHECK_TIMEOUT.key,
            in_seconds(timeout),
            settings::CHECK_INTERVAL.key,
            in_seconds(interval)
        );
        reader.warn_about_two(&settings::CHECK_TIMEOUT, &settings::CHECK_INTERVAL, message);
    }
    if service.fast_interval.is_some_and(|fast| fast > interval) {
        let message = format!("is longer than {}", settings::CHECK_INTERVAL.key);
        reader.warn(&settings::CHECK_FAST_INTERVAL, message);
    }
}

/// As short as it can be written.
fn in_seconds(span: Duration) -> String {
    numbers::shortest(span.as_secs_f64()).unwrap_or_default()
}

/// What is assigned now may not be later, and the other way round: warnings.
fn addresses(reader: &mut Reader<'_, '_>, facts: &mut Facts<'_>, service: &ServiceConfig) {
    if service.ip_check_disabled || service.disabled {
        return;
    }
    if let Some(cause) = facts.no_addresses() {
        let message = format!("cannot ask the kernel which addresses it has: {cause}");
        return reader.error(&settings::INTERFACE, message);
    }
    let shown = quoted(&service.interface);
    if facts.interface(&service.interface) == Some(false) {
        let message = format!("there is no interface {shown} now, so the service is down");
        reader.warn(&settings::INTERFACE, message);
        return;
    }
    for (index, prefix) in service.prefixes.iter().enumerate() {
        if (facts.probes.assigned)(&service.interface, prefix) == Some(false) {
            let message = format!(
                "interface {shown} has no address in {} now, so the service is down",
                quoted(&service.prefix_text(index))
            );
            reader.warn(&settings::IP_PREFIX, message);
        }
    }
}

#[cfg(test)]
mod tests;
