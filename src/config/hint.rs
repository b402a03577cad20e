//! The nearest known name to one that nobody knows.

use super::settings::{self, DAEMON_SECTION, DEFAULT_SECTION, Setting};

/// Names longer than this are no misspelling of anything.
const MAX_NAME: usize = 64;
/// More steps than lead from any name to any other, and one more is a number still.
const FAR: u8 = 2 * MAX_NAME as u8;

/// The setting that was probably meant.
pub fn setting(unknown: &str) -> Option<&'static Setting> {
    let plain = plain(unknown);
    let mut holding = settings::ALL.iter().filter(|setting| {
        let tail = setting.key.split_once('_').map(|(_, tail)| tail);
        plain.len() >= 4 && tail == Some(&plain)
    });
    match (holding.next(), holding.next()) {
        (Some(only), None) => Some(*only),
        _ => settings::find(name(&plain, &mut settings::ALL.iter().map(|row| row.key))?),
    }
}

fn plain(unknown: &str) -> String {
    let underscore = |c| if matches!(c, '-' | ' ' | '.') { '_' } else { c };
    unknown.chars().map(underscore).collect()
}

/// The special section that was probably meant by a name that is none.
pub fn section(name: &str) -> Option<&'static str> {
    if name.len() > MAX_NAME {
        return None;
    }
    let plain = name.trim().to_ascii_lowercase();
    [DAEMON_SECTION, DEFAULT_SECTION]
        .into_iter()
        .find(|known| distance(&plain, &known.to_ascii_lowercase(), 2).is_some())
}

/// That of some known names which was probably meant.
pub fn name<'a>(unknown: &str, known: &mut dyn Iterator<Item = &'a str>) -> Option<&'a str> {
    if unknown.len() > MAX_NAME {
        return None;
    }
    let mut nearest = None;
    let mut least = usize::MAX;
    for name in known.filter(|name| name.len() <= MAX_NAME) {
        let distance = distance(unknown, name, allowed(name));
        if let Some(distance) = distance.filter(|distance| *distance < least) {
            least = distance;
            nearest = Some(name);
        }
    }
    nearest
}

/// A third of a name may be wrong, but no more than three characters.
fn allowed(name: &str) -> usize {
    (name.len() / 3).clamp(1, 3)
}

/// Insertions, deletions, replacements and swaps of neighbours that lead from one name to the other; `None` if they are
/// more than `limit`, which most names tell by their first characters.
fn distance(from: &str, to: &str, limit: usize) -> Option<usize> {
    let (mut first, mut second) = (['\0'; MAX_NAME], ['\0'; MAX_NAME]);
    let (from, to) = (fill(&mut first, from), fill(&mut second, to));
    if from.len().abs_diff(to.len()) > limit {
        return None;
    }
    // Steps from so many characters of the one to so many of the other; where the two numbers differ by more than the
    // limit, so do the steps.
    let mut steps = [[FAR; MAX_NAME + 1]; MAX_NAME + 1];
    let mut within = [true; 2];
    for i in 0..=from.len() {
        let mut least = FAR;
        for j in i.saturating_sub(limit)..=to.len().min(i + limit) {
            if i == 0 || j == 0 {
                steps[i][j] = (i + j) as u8;
            } else {
                let same = from[i - 1] == to[j - 1];
                let replaced = steps[i - 1][j - 1] + u8::from(!same);
                let mut best = replaced.min(steps[i - 1][j] + 1).min(steps[i][j - 1] + 1);
                if i > 1 && j > 1 && from[i - 1] == to[j - 2] && from[i - 2] == to[j - 1] {
                    best = best.min(steps[i - 2][j - 2] + 1);
                }
                steps[i][j] = best;
            }
            least = least.min(steps[i][j]);
        }
        // A swap looks two rows back.
        within = [within[1], usize::from(least) <= limit];
        if within == [false; 2] {
            return None;
        }
    }
    Some(usize::from(steps[from.len()][to.len()])).filter(|steps| *steps <= limit)
}

/// The characters of a name; nobody asks about longer ones.
fn fill<'a>(room: &'a mut [char; MAX_NAME], name: &str) -> &'a [char] {
    let places = room.iter_mut().zip(name.chars());
    let count = places.map(|(place, c)| *place = c).count();
    &room[..count]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_what_was_meant() {
        let cases = [
            ("check_intervall", Some("check_interval")),
            ("check-interval", Some("check_interval")),
            ("chekc_cmd", Some("check_cmd")),
            ("interval", Some("check_interval")),
            ("timeout", Some("check_timeout")),
            ("ip_prefx", Some("ip_prefix")),
            ("log_level", Some("loglevel")),
            ("bird_config", Some("bird_conf")),
            ("interfaces", Some("interface")),
            ("weight", None),
            ("host", None),
            ("x", None),
            ("", None),
        ];
        for (unknown, meant) in cases {
            assert_eq!(setting(unknown).map(|s| s.key), meant, "{unknown}");
        }
        assert_eq!(setting(&"a".repeat(100_000)), None);
    }

    #[test]
    fn finds_the_section_that_was_meant() {
        for name in [
            "Daemon", "DAEMON", "deamon", " daemon ", "daemons", "demon", "dameon",
        ] {
            assert_eq!(section(name), Some(DAEMON_SECTION), "{name}");
        }
        for name in ["default", "Default", "DEFAULTS", "DEFALUT"] {
            assert_eq!(section(name), Some(DEFAULT_SECTION), "{name}");
        }
        for name in ["dns", "main", "foo.example.com", "d"] {
            assert_eq!(section(name), None, "{name}");
        }
    }

    #[test]
    fn finds_the_name_that_was_meant() {
        let known = || ["foo.example.com", "dns", "long".repeat(20).leak()].into_iter();
        assert_eq!(
            name("foo.exmaple.com", &mut known()),
            Some("foo.example.com")
        );
        assert_eq!(name("DNS", &mut known()), None);
        assert_eq!(name("dn", &mut known()), Some("dns"));
        assert_eq!(name("web", &mut known()), None);
        assert_eq!(name("web", &mut [].into_iter()), None);
        assert_eq!(name(&"a".repeat(100_000), &mut known()), None);
    }

    #[test]
    fn a_swap_is_one_step_and_what_is_farther_than_the_limit_is_far() {
        for (from, to, steps) in [
            ("ab", "ba", 1),
            ("", "abc", 3),
            ("abc", "", 3),
            ("kitten", "sitting", 3),
            ("same", "same", 0),
            ("xxxxab", "ba", 5),
        ] {
            for limit in 0..8 {
                let expected = (steps <= limit).then_some(steps);
                assert_eq!(distance(from, to, limit), expected, "{from} {to} {limit}");
            }
        }
    }
}
