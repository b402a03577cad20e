//! What stands between nanoserde and the world.
//!
//! Its reader trusts the shape of a text: where it passes over a field that it does not know, it panics on
//! a value that is none and never returns from a bracket that is not closed. So the shape is checked first,
//! in one pass. Its writer leaves C1 control characters as they are, which JSON allows and some terminals
//! obey.

/// Bytes of a status document that are read at most: 100,000 services of 400 bytes fit.
const TEXT_MAX: usize = 64 << 20;

/// Brackets within brackets; ours go four deep.
const DEPTH_MAX: usize = 32;

/// Refuses a text that nanoserde must not see. What passes need not be right, only right in its outlines.
pub fn check(text: &str) -> Result<(), String> {
    if text.len() > TEXT_MAX {
        return Err(format!("a status document of {} bytes", text.len()));
    }
    let mut open = Vec::with_capacity(DEPTH_MAX);
    let mut bytes = text.bytes().enumerate();
    // The last byte that is no blank and lies outside of strings.
    let mut before = 0;
    while let Some((at, byte)) = bytes.next() {
        let fault = match byte {
            b' ' | b'\t' | b'\r' | b'\n' => continue,
            b'{' | b'[' => {
                open.push(byte);
                open.len() > DEPTH_MAX
            }
            b'}' => open.pop() != Some(b'{') || before == b':',
            b']' => open.pop() != Some(b'['),
            b',' | b':' => before == b':' || open.is_empty(),
            b'"' => !skip_string(&mut bytes),
            b'-' | b'+' | b'.' => false,
            other => !other.is_ascii_alphanumeric(),
        };
        if fault {
            return Err(format!("not a status document: unexpected byte at {at}"));
        }
        before = byte;
    }
    if !open.is_empty() || before == 0 {
        return Err("not a status document: it is cut short".to_string());
    }
    Ok(())
}

/// Moves behind the closing quote; false if there is none.
fn skip_string(bytes: &mut impl Iterator<Item = (usize, u8)>) -> bool {
    while let Some((_, byte)) = bytes.next() {
        match byte {
            b'"' => return true,
            // An escaped character is never the end.
            b'\\' => {
                bytes.next();
            }
            // nanoserde takes NUL for the end of the text.
            0..=31 => return false,
            _ => (),
        }
    }
    false
}

/// The text with C1 control characters escaped. Outside of strings JSON has none.
pub fn harmless(text: String) -> String {
    let c1 = |c: char| ('\u{80}'..='\u{9f}').contains(&c);
    if !text.contains(c1) {
        return text;
    }
    let mut out = String::with_capacity(text.len() + 64);
    for c in text.chars() {
        if c1(c) {
            out.push_str(&format!("\\u{:04x}", c as u32));
        } else {
            out.push(c);
        }
    }
    out
}
