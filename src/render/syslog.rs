//! One record of the log as the datagram of a syslog server.
//!
//! RFC 5424 by default, because every receiver finds time with zone, host, program, pid and severity in it;
//! RFC 3164 for old receivers; and the reference's own form, for hosts whose log server has learnt to read
//! that. Each fits into one datagram of a safe size: a message that is too long is cut at a whole character
//! and ends with `…`, and a JSON object is cut inside its message, so that it stays one.

use super::date;
use super::escape::head;
use super::record::{self, PROGRAM, Record};
use crate::config::SyslogFormat;
use crate::time::Calendar;

/// Facility user, as in the reference.
const FACILITY: u8 = 1;

/// RFC 5424 6.1 and RFC 5426 3.2: every receiver should take 2,048 bytes. A datagram of that size may be
/// sent in two fragments, which a log server's network carries; what a longer message would add is not
/// worth losing all of it.
const RFC5424_MAX: usize = 2048;

/// RFC 3164 4.1: a packet must not be longer, and receivers of that time cut it there themselves.
const RFC3164_MAX: usize = 1024;

/// HOSTNAME of RFC 5424 6: at most 255 printable ASCII characters.
const HOST_MAX: usize = 255;

const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

/// The whole datagram. `host` is the name of this machine.
pub fn datagram(
    record: &Record,
    format: SyslogFormat,
    json: bool,
    host: &str,
    name_width: usize,
) -> String {
    let pri = FACILITY * 8 + record::severity(record.level);
    let pid = record.pid;
    match format {
        SyslogFormat::Rfc5424 => {
            let (time, host) = (rfc5424_time(&record.at), host_word(host));
            let header = format!("<{pri}>1 {time} {host} {PROGRAM} {pid} - - ");
            with_body(header, record, json, RFC5424_MAX, record::name_and_message)
        }
        SyslogFormat::Rfc3164 => {
            let time = rfc3164_time(&record.at);
            let header = format!("<{pri}>{time} {} {PROGRAM}[{pid}]: ", host_word(host));
            with_body(header, record, json, RFC3164_MAX, record::name_and_message)
        }
        SyslogFormat::Reference => {
            let tag = if json { "anycast-healthchecker: " } else { "" };
            let header = format!("<{pri}>{tag}");
            // The last byte is the NUL that Python's handler appends.
            let line = |record: &Record| record::text_line(record, name_width);
            let mut text = with_body(header, record, json, RFC5424_MAX - 1, line);
            text.push('\0');
            text
        }
    }
}

/// `header` and what follows it, in at most `limit` bytes.
fn with_body(
    mut header: String,
    record: &Record,
    json: bool,
    limit: usize,
    text: impl Fn(&Record) -> String,
) -> String {
    let room = limit.saturating_sub(header.len());
    if json {
        header.push_str(&json_within(record, room));
    } else {
        header.push_str(&cut(&text(record), room));
    }
    header
}

/// `text` in at most `bytes` bytes.
fn cut(text: &str, bytes: usize) -> String {
    if text.len() <= bytes {
        return text.to_string();
    }
    match bytes.checked_sub('…'.len_utf8()) {
        Some(room) => format!("{}…", head(text, room)),
        None => String::new(),
    }
}

/// The object in at most `bytes` bytes: with as much of the message as fits, and if nothing of it does, of the name.
fn json_within(record: &Record, bytes: usize) -> String {
    let name = record.name();
    let object = |name: usize, message: usize| {
        let name = cut(record.name(), name);
        record::json_of(record, &name, &cut(&record.message, message))
    };
    let fits = |name, message| object(name, message).len() <= bytes;
    let message = most(record.message.len(), &|room| fits(name.len(), room));
    match message {
        0 => object(most(name.len(), &|room| fits(room, 0)), 0),
        _ => object(name.len(), message),
    }
}

/// The largest number up to `limit` that fits, or 0.
fn most(limit: usize, fits: &dyn Fn(usize) -> bool) -> usize {
    if fits(limit) {
        return limit;
    }
    let (mut low, mut high) = (0, limit);
    while low < high {
        let middle = low + (high - low).div_ceil(2);
        match fits(middle) {
            true => low = middle,
            false => high = middle - 1,
        }
    }
    low
}

/// The host's name as a header can carry it; `-` if it has none.
fn host_word(host: &str) -> String {
    let plain = |c: char| c.is_ascii_graphic();
    let word: String = host.chars().filter(|c| plain(*c)).take(HOST_MAX).collect();
    if word.is_empty() {
        "-".to_string()
    } else {
        word
    }
}

/// `2026-11-23T02:20:25.031079+02:00`
fn rfc5424_time(at: &Calendar) -> String {
    format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:06}{}",
        at.year,
        at.month,
        at.day,
        at.hour,
        at.minute,
        // RFC 5424 6.2.3.1 forbids leap seconds.
        at.second.min(59),
        at.micros,
        date::offset(at.offset)
    )
}

/// `Nov  3 02:20:25`
fn rfc3164_time(at: &Calendar) -> String {
    let month = MONTHS[at.month.clamp(1, 12) as usize - 1];
    format!(
        "{month} {:>2} {:02}:{:02}:{:02}",
        at.day, at.hour, at.minute, at.second
    )
}

#[cfg(test)]
mod tests;
