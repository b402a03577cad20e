//! What stands between nanoserde and the world.
//!
//! Its reader trusts the shape of a text: it calls itself for every comment, takes NUL for the end, and puts
//! no bound on anything. So the shape is checked first, in one pass; brackets are bounded for our own sake,
//! who call ourselves for each of them.

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
