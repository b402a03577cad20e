//! What daemon and writer say to each other over their socket: frames of a kind, a length and a content.
//!
//! The daemon sends a [`Request`] and, for one whose content follows, [`PIECE`]s up to [`COMMIT`]; the writer answers each
//! request with one frame, a [`Reply`]. Both ends are the same program, so there is no version, and whatever does not
//! parse is a programming error that ends the writer. Numbers have the byte order of the machine.

use std::ffi::OsStr;
use std::io::{self, ErrorKind};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::host::disk::Outcome;
use crate::host::log::Report;
use crate::time::Wall;

/// Kind and length.
pub const HEAD: usize = 5;
/// The most that a frame may hold: a prefix file of the largest size, and a queue of log lines, lie far below.
pub const FRAME_MAX: usize = 64 * 1024 * 1024;

/// More of the content of a [`Request::Stream`].
pub const PIECE: u8 = 100;
/// The end of the content of a [`Request::Stream`].
pub const COMMIT: u8 = 101;
/// There will be no more of it: the file stays as it was.
pub const ABORT: u8 = 102;

/// Where lines are appended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target<P> {
    /// A file that is opened, and rotated if it has limits.
    File {
        path: P,
        max_bytes: u64,
        backups: u32,
    },
    /// The regular file that the daemon has inherited as its stdout or stderr.
    Inherited,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request<'a> {
    /// Replace a prefix file, whole and durable; `keep`: what it held is wanted. Answered by an [`Outcome`].
    Replace {
        path: &'a Path,
        keep: bool,
        content: &'a [u8],
    },
    /// Reserve room for a withdrawal beside a prefix file.
    Reserve { path: &'a Path },
    /// Replace a file by what follows in pieces, without waiting for the disk.
    Stream { path: &'a Path },
    /// Add what a prefix file held to its history, as of `now`.
    Archive {
        path: &'a Path,
        keep: u32,
        now: Wall,
        content: &'a [u8],
    },
    /// Read a file of at most `limit` bytes, after what killed processes left of it half written is removed.
    Read { path: &'a Path, limit: u32 },
    /// Look whether these are there, one after the other. Answered by the [`Presence`] of each.
    Look { looks: Vec<Look> },
    /// Append lines, of which each has its end, to the file of stderr or to that of the log; `reopen`: open it anew
    /// before that. Answered by a [`Report`].
    Append {
        stderr: bool,
        target: Target<&'a Path>,
        reopen: bool,
        lines: &'a [u8],
    },
    /// Remove the pidfile of the process `pid`, see [`crate::host::instance::remove_pidfile`].
    RemovePidfile {
        path: &'a Path,
        pid: u32,
        clean: bool,
    },
}

/// A look at what has a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Look {
    pub path: PathBuf,
    /// What a link leads to is looked at as well; the link alone counts.
    pub follow: bool,
}

/// What a look has come to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Presence {
    Absent,
    Present,
    /// Why nobody can tell.
    Unknown(String),
}

/// What became of a request; what was read, or a report. The error is in words, with what kind it is of.
pub type Reply = Result<Vec<u8>, (ErrorKind, String)>;

/// A frame with this content.
pub fn frame(kind: u8, content: &[u8]) -> Vec<u8> {
    let mut frame = Vec::with_capacity(HEAD + content.len());
    frame.push(kind);
    frame.extend_from_slice(&[0; 4]);
    frame.extend_from_slice(content);
    finish(frame)
}

fn finish(mut frame: Vec<u8>) -> Vec<u8> {
    // A frame above 4 GiB is refused by the other end, as every one above FRAME_MAX is.
    let length = u32::try_from(frame.len() - HEAD).unwrap_or(u32::MAX);
    frame[1..HEAD].copy_from_slice(&length.to_ne_bytes());
    frame
}

/// Kind and length of a frame that begins so.
pub fn head(bytes: [u8; HEAD]) -> io::Result<(u8, usize)> {
    let [kind, length @ ..] = bytes;
    match usize::try_from(u32::from_ne_bytes(length)) {
        Ok(length) if length <= FRAME_MAX => Ok((kind, length)),
        _ => Err(malformed()),
    }
}

pub fn malformed() -> io::Error {
    io::Error::new(ErrorKind::InvalidData, "a malformed frame")
}

const REPLACE: u8 = 1;
const STREAM: u8 = 2;
const ARCHIVE: u8 = 3;
const READ: u8 = 4;
const APPEND: u8 = 5;
const REMOVE_PIDFILE: u8 = 6;
const RESERVE: u8 = 7;
const LOOK: u8 = 8;

impl<'a> Request<'a> {
    pub fn encode(&self) -> Vec<u8> {
        let (kind, bulk): (u8, &[u8]) = match self {
            Request::Replace { content, .. } => (REPLACE, content),
            Request::Stream { .. } => (STREAM, b""),
            Request::Archive { content, .. } => (ARCHIVE, content),
            Request::Reserve { .. } => (RESERVE, b""),
            Request::Read { .. } => (READ, b""),
            Request::Look { .. } => (LOOK, b""),
            Request::Append { lines, .. } => (APPEND, lines),
            Request::RemovePidfile { .. } => (REMOVE_PIDFILE, b""),
        };
        let mut frame = vec![kind, 0, 0, 0, 0];
        match self {
            Request::Reserve { path } | Request::Stream { path } => put_path(&mut frame, path),
            Request::Replace { path, keep, .. } => {
                put_path(&mut frame, path);
                put_number(&mut frame, u64::from(*keep));
            }
            Request::Archive {
                path, keep, now, ..
            } => {
                put_path(&mut frame, path);
                put_number(&mut frame, u64::from(*keep));
                // As its bits, which come back as what they were.
                put_number(&mut frame, now.micros() as u64);
            }
            Request::Read { path, limit } => {
                put_path(&mut frame, path);
                put_number(&mut frame, u64::from(*limit));
            }
            Request::Look { looks } => {
                for look in looks {
                    put_number(&mut frame, u64::from(look.follow));
                    put_path(&mut frame, &look.path);
                }
            }
            Request::Append {
                stderr,
                target,
                reopen,
                ..
            } => {
                put_number(&mut frame, u64::from(*stderr));
                put_number(&mut frame, u64::from(*reopen));
                match target {
                    Target::Inherited => put_number(&mut frame, 0),
                    Target::File {
                        path,
                        max_bytes,
                        backups,
                    } => {
                        put_number(&mut frame, 1);
                        put_path(&mut frame, path);
                        put_number(&mut frame, *max_bytes);
                        put_number(&mut frame, u64::from(*backups));
                    }
                }
            }
            Request::RemovePidfile { path, pid, clean } => {
                put_path(&mut frame, path);
                put_number(&mut frame, u64::from(*pid));
                put_number(&mut frame, u64::from(*clean));
            }
        }
        frame.extend_from_slice(bulk);
        finish(frame)
    }

    pub fn decode(kind: u8, content: &'a [u8]) -> Option<Request<'a>> {
        let mut rest = content;
        let input = &mut rest;
        Some(match kind {
            REPLACE => Request::Replace {
                path: take_path(input)?,
                keep: take_number(input)? != 0,
                content: input,
            },
            RESERVE => Request::Reserve {
                path: take_path(input)?,
            },
            STREAM => Request::Stream {
                path: take_path(input)?,
            },
            ARCHIVE => Request::Archive {
                path: take_path(input)?,
                keep: take_u32(input)?,
                now: Wall::from_micros(take_number(input)? as i64),
                content: input,
            },
            READ => Request::Read {
                path: take_path(input)?,
                limit: take_u32(input)?,
            },
            LOOK => {
                let mut looks = Vec::new();
                while !input.is_empty() {
                    looks.push(Look {
                        follow: take_number(input)? != 0,
                        path: take_path(input)?.to_path_buf(),
                    });
                }
                Request::Look { looks }
            }
            APPEND => Request::Append {
                stderr: take_number(input)? != 0,
                reopen: take_number(input)? != 0,
                target: match take_number(input)? {
                    0 => Target::Inherited,
                    _ => Target::File {
                        path: take_path(input)?,
                        max_bytes: take_number(input)?,
                        backups: take_u32(input)?,
                    },
                },
                lines: input,
            },
            REMOVE_PIDFILE => Request::RemovePidfile {
                path: take_path(input)?,
                pid: take_u32(input)?,
                clean: take_number(input)? != 0,
            },
            _ => return None,
        })
    }
}

const DONE: u8 = 0;
const FAILED: u8 = 1;
const NOT_FOUND: u8 = 2;

/// A reply as a frame.
pub fn encode_reply(reply: &Reply) -> Vec<u8> {
    match reply {
        Ok(content) => frame(DONE, content),
        Err((ErrorKind::NotFound, cause)) => frame(NOT_FOUND, cause.as_bytes()),
        Err((_, cause)) => frame(FAILED, cause.as_bytes()),
    }
}

pub fn decode_reply(kind: u8, content: Vec<u8>) -> Option<Reply> {
    let words = |content: &[u8]| String::from_utf8_lossy(content).into_owned();
    Some(match kind {
        DONE => Ok(content),
        FAILED => Err((ErrorKind::Other, words(&content))),
        NOT_FOUND => Err((ErrorKind::NotFound, words(&content))),
        _ => return None,
    })
}

pub fn encode_report(report: &Report) -> Vec<u8> {
    let mut bytes = Vec::new();
    put_number(&mut bytes, u64::from(report.lost));
    put_number(&mut bytes, u64::from(report.works));
    put_number(&mut bytes, u64::from(report.cause.is_some()));
    bytes.extend_from_slice(report.cause.as_deref().unwrap_or_default().as_bytes());
    bytes
}

pub fn decode_report(mut bytes: &[u8]) -> Option<Report> {
    let input = &mut bytes;
    Some(Report {
        lost: take_u32(input)?,
        works: take_number(input)? != 0,
        cause: (take_number(input)? != 0).then(|| String::from_utf8_lossy(input).into_owned()),
    })
}

pub fn encode_outcome(outcome: &Outcome) -> Vec<u8> {
    let mut bytes = Vec::new();
    let damaged = outcome
        .damaged
        .as_ref()
        .map(|path| path.as_os_str().as_bytes());
    let (was_read, old) = match &outcome.old {
        Some(Ok(content)) => (true, Some(&content[..])),
        Some(Err(cause)) => (false, Some(cause.as_bytes())),
        None => (false, None),
    };
    put_number(&mut bytes, u64::from(was_read));
    put_number(&mut bytes, u64::from(outcome.in_place));
    let flaw = outcome.flaw.as_deref().map(str::as_bytes);
    for field in [flaw, damaged, old] {
        // One more than its length, or 0.
        put_number(&mut bytes, field.map_or(0, |field| field.len() as u64 + 1));
        bytes.extend_from_slice(field.unwrap_or_default());
    }
    bytes
}

pub fn decode_outcome(mut bytes: &[u8]) -> Option<Outcome> {
    let input = &mut bytes;
    let was_read = take_number(input)? != 0;
    let in_place = take_number(input)? != 0;
    let mut field = || match take_number(input)?.checked_sub(1) {
        None => Some(None),
        Some(length) => {
            let (field, rest) = input.split_at_checked(usize::try_from(length).ok()?)?;
            *input = rest;
            Some(Some(field))
        }
    };
    let text = |field: &[u8]| String::from_utf8_lossy(field).into_owned();
    Some(Outcome {
        in_place,
        flaw: field()?.map(text),
        damaged: field()?.map(|path| PathBuf::from(OsStr::from_bytes(path))),
        old: field()?.map(|old| match was_read {
            true => Ok(old.to_vec()),
            false => Err(text(old)),
        }),
    })
}

const ABSENT: u64 = 0;
const PRESENT: u64 = 1;
const UNKNOWN: u64 = 2;

pub fn encode_presences(presences: &[Presence]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for presence in presences {
        match presence {
            Presence::Absent => put_number(&mut bytes, ABSENT),
            Presence::Present => put_number(&mut bytes, PRESENT),
            Presence::Unknown(cause) => {
                put_number(&mut bytes, UNKNOWN);
                put_path(&mut bytes, Path::new(cause));
            }
        }
    }
    bytes
}

pub fn decode_presences(mut bytes: &[u8]) -> Option<Vec<Presence>> {
    let input = &mut bytes;
    let mut presences = Vec::new();
    while !input.is_empty() {
        presences.push(match take_number(input)? {
            ABSENT => Presence::Absent,
            PRESENT => Presence::Present,
            UNKNOWN => Presence::Unknown(take_path(input)?.to_string_lossy().into_owned()),
            _ => return None,
        });
    }
    Some(presences)
}

fn put_number(out: &mut Vec<u8>, number: u64) {
    out.extend_from_slice(&number.to_ne_bytes());
}

fn put_path(out: &mut Vec<u8>, path: &Path) {
    let bytes = path.as_os_str().as_bytes();
    put_number(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

fn take_number(input: &mut &[u8]) -> Option<u64> {
    let (number, rest) = input.split_first_chunk()?;
    *input = rest;
    Some(u64::from_ne_bytes(*number))
}

fn take_u32(input: &mut &[u8]) -> Option<u32> {
    u32::try_from(take_number(input)?).ok()
}

fn take_path<'a>(input: &mut &'a [u8]) -> Option<&'a Path> {
    let length = usize::try_from(take_number(input)?).ok()?;
    let (path, rest) = input.split_at_checked(length)?;
    *input = rest;
    Some(Path::new(OsStr::from_bytes(path)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_and_replies_arrive_as_they_were_sent() {
        let path = Path::new(OsStr::from_bytes(b"/a \xff/b"));
        let requests = [
            Request::Replace {
                path,
                keep: true,
                content: b"text",
            },
            Request::Reserve { path },
            Request::Stream { path },
            Request::Archive {
                path,
                keep: 9,
                now: Wall::from_micros(-5),
                content: b"old",
            },
            Request::Read { path, limit: 77 },
            Request::Append {
                stderr: false,
                target: Target::File {
                    path,
                    max_bytes: u64::MAX,
                    backups: 3,
                },
                reopen: true,
                lines: b"one\ntwo\n",
            },
            Request::Append {
                stderr: true,
                target: Target::Inherited,
                reopen: false,
                lines: b"",
            },
            Request::RemovePidfile {
                path,
                pid: 77,
                clean: true,
            },
            Request::Look {
                looks: vec![
                    Look {
                        path: path.to_path_buf(),
                        follow: true,
                    },
                    Look {
                        path: "/c".into(),
                        follow: false,
                    },
                ],
            },
        ];
        for request in requests {
            let frame = request.encode();
            let (begin, content) = frame.split_first_chunk().unwrap();
            let (kind, length) = head(*begin).unwrap();
            assert_eq!(length, content.len());
            assert_eq!(Request::decode(kind, content), Some(request));
            // Whatever is cut short is refused, unless it is only the text at the end that is shorter.
            assert_eq!(Request::decode(kind, &content[..7]), None);
        }
        for reply in [
            Ok(b"text".to_vec()),
            Err((ErrorKind::NotFound, "gone".to_string())),
            Err((ErrorKind::Other, "odd".to_string())),
        ] {
            let frame = encode_reply(&reply);
            let content = frame[HEAD..].to_vec();
            assert_eq!(decode_reply(frame[0], content), Some(reply));
        }
        for cause in [None, Some("full".to_string())] {
            let report = Report {
                lost: 4,
                works: cause.is_none(),
                cause,
            };
            assert_eq!(decode_report(&encode_report(&report)), Some(report));
        }
        for outcome in [
            Outcome::default(),
            Outcome {
                flaw: Some("written in place".to_string()),
                damaged: Some("/a.damaged".into()),
                old: Some(Ok(Vec::new())),
                in_place: true,
            },
            Outcome {
                old: Some(Err("unreadable".to_string())),
                ..Outcome::default()
            },
        ] {
            let bytes = encode_outcome(&outcome);
            assert_eq!(decode_outcome(&bytes), Some(outcome));
            assert_eq!(decode_outcome(&bytes[..bytes.len() - 1]), None);
        }
        let presences = [
            Presence::Unknown("stale".to_string()),
            Presence::Present,
            Presence::Absent,
        ];
        let bytes = encode_presences(&presences);
        assert_eq!(decode_presences(&bytes), Some(presences.to_vec()));
        assert_eq!(decode_presences(&bytes[..bytes.len() - 1]), None);
        assert!(head([PIECE, 255, 255, 255, 255]).is_err());
    }
}
