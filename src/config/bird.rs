//! The rules about BIRD: what each family needs, and what the two must not share.

use std::path::{Path, PathBuf};

use super::check::{family_switch, why_no_history};
use super::facts::{Facts, Place, names_directory, parent, quoted_path};
use super::prefixes::Claim;
use super::read::Reader;
use super::settings::{self, Setting};
use super::text::quoted;
use super::{CommandLine, DaemonConfig, Family, FamilyConfig, Via, prefix};

/// The rows of one family.
struct Rows {
    prefix_file: &'static Setting,
    variable: &'static Setting,
    command: &'static Setting,
    socket: &'static Setting,
    dummy: &'static Setting,
    keep: &'static Setting,
    counter: &'static Setting,
}

/// Indexed by [`Family::index`].
static ROWS: [Rows; 2] = [
    Rows {
        prefix_file: &settings::BIRD_CONF,
        variable: &settings::BIRD_VARIABLE,
        command: &settings::BIRD_RECONFIGURE_CMD,
        socket: &settings::BIRD_CONTROL_SOCKET,
        dummy: &settings::DUMMY_IP_PREFIX,
        keep: &settings::BIRD_KEEP_CHANGES,
        counter: &settings::BIRD_CHANGES_COUNTER,
    },
    Rows {
        prefix_file: &settings::BIRD6_CONF,
        variable: &settings::BIRD6_VARIABLE,
        command: &settings::BIRD6_RECONFIGURE_CMD,
        socket: &settings::BIRD6_CONTROL_SOCKET,
        dummy: &settings::DUMMY_IP6_PREFIX,
        keep: &settings::BIRD6_KEEP_CHANGES,
        counter: &settings::BIRD6_CHANGES_COUNTER,
    },
];

/// The family whose prefix file an option names.
pub fn family_of_file(key: &str) -> Option<Family> {
    let names = |family: &Family| ROWS[family.index()].prefix_file.key == key;
    Family::ALL.into_iter().find(names)
}

/// Both families, and which of them are enabled; one whose switch can't be read counts as enabled.
pub fn families(
    reader: &mut Reader<'_, '_>,
    facts: &mut Facts<'_>,
) -> ([Option<FamilyConfig>; 2], [bool; 2]) {
    let enabled = Family::ALL.map(|family| reader.flag(family_switch(family)).unwrap_or(true));
    let families = Family::ALL.map(|family| {
        let on = enabled[family.index()];
        if !on {
            unused(reader, family);
        }
        on.then(|| family_config(reader, facts, family)).flatten()
    });
    if let [Some(v4), Some(v6)] = &families {
        apart(reader, facts, v4, v6);
    }
    (families, enabled)
}

fn family_config(
    reader: &mut Reader<'_, '_>,
    facts: &mut Facts<'_>,
    family: Family,
) -> Option<FamilyConfig> {
    let rows = &ROWS[family.index()];
    let keep = reader.is_on(rows.keep);
    let count = reader.count(rows.counter);
    let prefix_file = reader.path(rows.prefix_file);
    if let Some(file) = &prefix_file {
        prefix_file_rules(reader, facts, rows, file, keep);
    }
    let variable = variable(reader, rows.variable);
    let via = via(reader, facts, rows);
    if let (Some(file), Some(variable), Some(Via::Socket(socket))) = (&prefix_file, &variable, &via)
    {
        included(reader, facts, rows, (file, variable, socket));
    }
    let dummy = dummy(reader, rows.dummy, family);
    Some(FamilyConfig {
        prefix_file: prefix_file?,
        variable: variable?,
        via: via?,
        dummy: dummy?,
        history: keep.then_some(count),
    })
}

/// A family that is switched off is read only as far as the reference reads it.
fn unused(reader: &mut Reader<'_, '_>, family: Family) {
    let rows = &ROWS[family.index()];
    reader.flag(rows.keep);
    reader.whole(rows.counter);
    reader.text(rows.prefix_file);
    reader.text(rows.variable);
    reader.text(rows.command);
}

/// The file is replaced by another of its directory, so it is the directory that should be writable.
fn prefix_file_rules(
    reader: &mut Reader<'_, '_>,
    facts: &mut Facts<'_>,
    rows: &Rows,
    file: &Path,
    keep: bool,
) {
    let setting = rows.prefix_file;
    let shown = quoted_path(file);
    if names_directory(file) {
        return reader.error(setting, format!("{shown} is a directory"));
    }
    let target = (facts.probes.target)(file);
    let place = facts.place(file);
    match &place {
        Place::Directory { .. } | Place::Other { .. } => {
            return reader.error(setting, format!("{shown} is no regular file"));
        }
        Place::Hidden(cause) => {
            return reader.error(setting, format!("cannot look at {shown}: {cause}"));
        }
        Place::Missing => {}
        Place::File { .. } => {
            if let Some(why) = (facts.probes.foreign)(file) {
                return reader.error(setting, format!("{shown}: {why}"));
            }
        }
    }
    let why = facts.why_not_usable(&parent(&target));
    if let (Some(why), Place::File { writable: true }) = (&why, place) {
        reader.warn(setting, format!("{why}, so {shown} is written in place"));
    } else if let Some(why) = why {
        return reader.error(setting, why);
    }
    if keep {
        reader.error_if(rows.keep, why_no_history(facts, &history_of(&target)));
    }
}

fn history_of(prefix_file: &Path) -> PathBuf {
    parent(prefix_file).join("history")
}

/// Names that BIRD's language has taken, as far as somebody might choose them: `define filter = ...` is a
/// syntax error. One text, because a table of them takes four times as much room.
const KEYWORDS: &str = "accept advertise all allow area as bfd bgp case debug default define device direct else export \
    external filter for from function global if import interface ip ipv4 ipv6 kernel limit local log \
    name neighbors net networks none only ospf pair path prefix primary private protocol public reject \
    return route router routes scope set source static string table template type";
/// BIRD says "Symbol too long" beyond this (seen with 2.0.12).
const MAX_VARIABLE: usize = 63;

fn variable(reader: &mut Reader<'_, '_>, setting: &'static Setting) -> Option<String> {
    let text = reader.text(setting)?;
    let begins_well = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    let goes_on_well = text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if !begins_well || !goes_on_well {
        let why = "is no name for BIRD: letters, digits and _, not beginning with a digit";
        reader.refuse(setting, &text, why);
        return None;
    }
    if text.len() > MAX_VARIABLE {
        let message = format!("a name of more than {MAX_VARIABLE} characters is too long for BIRD");
        reader.error(setting, message);
        return None;
    }
    if KEYWORDS.split(' ').any(|word| word == text) {
        let message = format!(
            "{} is a keyword of BIRD, which will not read the file",
            quoted(&text)
        );
        reader.warn(setting, message);
    }
    Some(text.into_owned())
}

/// A socket or command that is not there may come: BIRD is started later, or installed again. So only
/// warnings.
fn via(reader: &mut Reader<'_, '_>, facts: &mut Facts<'_>, rows: &Rows) -> Option<Via> {
    if let Some(socket) = reader.optional_path(rows.socket) {
        let shown = quoted_path(&socket);
        let why = match facts.place(&socket) {
            Place::Other { writable: true } => None,
            Place::Other { writable: false } => {
                Some(facts.may_not(&format!("write to socket {shown}")))
            }
            Place::Missing => Some(format!("socket {shown} does not exist: does BIRD run?")),
            Place::Hidden(cause) => Some(format!("cannot look at socket {shown}: {cause}")),
            Place::Directory { .. } | Place::File { .. } => Some(format!("{shown} is no socket")),
        };
        reader.warn_if(rows.socket, why);
        reader.text(rows.command);
        return Some(Via::Socket(socket));
    }
    let words = reader.words(rows.command)?;
    reader.warn_if(rows.command, facts.why_not_runnable(&words[0]));
    Some(Via::Command(CommandLine::of(words)))
}

/// A list that exists and that BIRD does not know is not included, or BIRD has not been told since.
fn included(
    reader: &mut Reader<'_, '_>,
    facts: &mut Facts<'_>,
    rows: &Rows,
    (file, variable, socket): (&Path, &str, &Path),
) {
    let exists = matches!(facts.place(file), Place::File { .. });
    if exists && (facts.probes.known_to_bird)(socket, variable) == Some(false) {
        let message = format!(
            "the running BIRD knows no constant {variable}: has it read a configuration that includes {}?",
            quoted_path(file)
        );
        reader.warn(rows.prefix_file, message);
    }
}

fn dummy(
    reader: &mut Reader<'_, '_>,
    setting: &'static Setting,
    family: Family,
) -> Option<ipnetwork::IpNetwork> {
    let text = reader.text(setting)?;
    let why = match prefix::parse(&text) {
        Ok(prefix) if Family::of(&prefix) == family => return Some(prefix),
        Ok(_) => format!("is not an {}", setting.kind.describe()),
        Err(why) => why.to_string(),
    };
    reader.refuse(setting, &text, &why);
    None
}

/// What the families must not have in common.
fn apart(reader: &mut Reader<'_, '_>, facts: &mut Facts<'_>, v4: &FamilyConfig, v6: &FamilyConfig) {
    let [first, second] = [v4, v6].map(|f| (facts.probes.target)(&f.prefix_file));
    if first == second {
        let message = format!("the same file as {}", settings::BIRD_CONF.key);
        reader.error(&settings::BIRD6_CONF, message);
    } else if v4.history.is_some() && v6.history.is_some() && parent(&first) == parent(&second) {
        let message = format!(
            "{} and {} lie in the same directory, so their histories would mix: put one elsewhere",
            settings::BIRD_CONF.key,
            settings::BIRD6_CONF.key
        );
        reader.error(&settings::BIRD6_KEEP_CHANGES, message);
    }
    if v4.via == v6.via && v4.variable == v6.variable {
        let message = format!(
            "the same name as {}, although one BIRD reads both files",
            settings::BIRD_VARIABLE.key
        );
        reader.error(&settings::BIRD6_VARIABLE, message);
    }
}

/// The dummies as users of their prefixes.
pub fn dummies(daemon: &DaemonConfig) -> Vec<Claim<'static>> {
    let mut claims = Vec::new();
    for family in daemon.families.iter().flatten() {
        claims.push(Claim::dummy(family.dummy));
    }
    claims
}

#[cfg(test)]
mod tests;
