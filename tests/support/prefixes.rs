//! Reads prefix files on its own, so that a fault of the program's reader cannot hide behind itself.

/// The dummies of the default configuration.
pub const DUMMY4: &str = "10.189.200.255/32";
pub const DUMMY6: &str = "2001:db8::1/128";

/// The prefixes in the last `define NAME = [ … ];` in order, the dummies included.
pub fn listed(text: &str) -> Vec<String> {
    let mut text = text.to_string();
    while let Some((before, rest)) = text.split_once("/*") {
        let after = rest.split_once("*/").map_or("", |(_, after)| after);
        text = format!("{before} {after}");
    }
    let code: String = text
        .lines()
        .map(|line| line.split('#').next().unwrap_or_default())
        .collect::<Vec<_>>()
        .join("\n");
    let Some((_, list)) = code.rsplit_once('[') else {
        return Vec::new();
    };
    let Some((list, _)) = list.split_once(']') else {
        return Vec::new();
    };
    list.split(',')
        .map(|prefix| prefix.trim().to_string())
        .filter(|prefix| !prefix.is_empty())
        .collect()
}

/// The same without the dummies.
pub fn announced(text: &str) -> Vec<String> {
    let mut prefixes = listed(text);
    prefixes.retain(|prefix| prefix != DUMMY4 && prefix != DUMMY6);
    prefixes
}

/// A whole file in the shape that the program promises: comments, `define NAME =`, one prefix a line, the dummy first.
pub fn is_whole(text: &str) -> bool {
    let list = listed(text);
    text.starts_with('#')
        && text.contains("define ")
        && text.trim_end().ends_with("];")
        && (list
            .first()
            .is_some_and(|first| first == DUMMY4 || first == DUMMY6))
}
