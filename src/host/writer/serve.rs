//! The writer process itself: one request after the other, each answered when it is done.
//!
//! It may hang in the kernel for as long as a disk does; that is what it is for. It holds no descriptor of the daemon's
//! but its socket and, if they are regular files, stdout and stderr. The signals that a terminal or a service manager sends
//! to all processes of the daemon are not for it: it ends when the daemon has closed the socket, or is gone.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::ExitCode;

use super::wire::{self, Look, Presence, Reply, Request, Target};
use crate::host::log::{LogFile, Report, put_line};
use crate::host::sys::process::Pid;
use crate::host::sys::{cause, clock, writer};
use crate::host::{disk, instance, prepare};

/// What a buffer may take between two requests.
const KEPT: usize = 64 * 1024;

/// The whole life of a writer process of the daemon `parent`.
pub fn main(parent: u32) -> ExitCode {
    if !writer::belong_to(parent) {
        return ExitCode::SUCCESS;
    }
    // Only now: a SIGTERM that is pending has been dropped.
    prepare();
    let socket = io::stdin().as_fd().try_clone_to_owned();
    match socket.and_then(|fd| serve(&UnixStream::from(fd))) {
        Ok(()) => ExitCode::SUCCESS,
        // Nobody is there to be told: the daemon is gone, or sees that this process is.
        Err(_) => ExitCode::FAILURE,
    }
}

pub(super) fn serve(socket: &UnixStream) -> io::Result<()> {
    let mut input = BufReader::new(socket);
    let mut files = Files::default();
    let mut content = Vec::new();
    while !input.fill_buf()?.is_empty() {
        let kind = read_frame(&mut input, &mut content)?;
        let request = Request::decode(kind, &content).ok_or_else(wire::malformed)?;
        let reply = match request {
            Request::Stream { path } => {
                let path = path.to_path_buf();
                stream(&path, &mut input)?
            }
            request => files.perform(&request),
        };
        let mut output = socket;
        output.write_all(&wire::encode_reply(&reply))?;
        content.clear();
        content.shrink_to(KEPT);
    }
    Ok(())
}

fn read_frame(input: &mut impl Read, content: &mut Vec<u8>) -> io::Result<u8> {
    let mut begin = [0; wire::HEAD];
    input.read_exact(&mut begin)?;
    let (kind, length) = wire::head(begin)?;
    content.clear();
    content.reserve_exact(length);
    let got = input.take(length as u64).read_to_end(content)?;
    match got == length {
        true => Ok(kind),
        false => Err(ErrorKind::UnexpectedEof.into()),
    }
}

/// Replaces a file by the pieces that follow, all of which are taken even if the file cannot be written. The error is that
/// of the socket; a file that is not complete is not put in place.
fn stream(path: &Path, input: &mut impl Read) -> io::Result<Reply> {
    let mut new = disk::Replacement::begin(path);
    let mut piece = Vec::new();
    let is_whole = loop {
        match (read_frame(input, &mut piece)?, &mut new) {
            (wire::PIECE, Ok(file)) => {
                if let Err(error) = file.write(&piece) {
                    new = Err(error);
                }
            }
            (wire::PIECE, Err(_)) => {}
            (wire::COMMIT, _) => break true,
            (wire::ABORT, _) => break false,
            _ => return Err(wire::malformed()),
        }
    };
    let written = new.and_then(|file| match is_whole {
        true => file.commit(),
        false => Ok(()),
    });
    Ok(written
        .map(|()| Vec::new())
        .map_err(|error| in_words(&error)))
}

fn presence(look: &Look) -> Presence {
    let found = fs::symlink_metadata(&look.path);
    if look.follow && found.as_ref().is_ok_and(|found| found.is_symlink()) {
        // Whether that answers is all that counts.
        let _ = fs::metadata(&look.path);
    }
    match found {
        Ok(_) => Presence::Present,
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            Presence::Absent
        }
        Err(error) => Presence::Unknown(cause(&error)),
    }
}

fn in_words(error: &io::Error) -> (ErrorKind, String) {
    (error.kind(), cause(error))
}

/// The files that stay open from one request to the next: the first is that of the log or of stdout, the second that of
/// stderr.
#[derive(Default)]
pub(super) struct Files {
    logs: [Option<LogFile>; 2],
    inherited: [Option<Inherited>; 2],
}

impl Files {
    pub(super) fn perform(&mut self, request: &Request) -> Reply {
        let done = match request {
            Request::Replace {
                path,
                keep,
                content,
            } => {
                return disk::replace_prefix_file(path, content, *keep)
                    .map(|outcome| wire::encode_outcome(&outcome))
                    .map_err(|error| in_words(&error));
            }
            Request::Reserve { path } => disk::reserve(path),
            Request::Archive {
                path,
                keep,
                now,
                content,
            } => disk::archive(path, content, *keep, *now),
            Request::Read { path, limit } => {
                disk::sweep(path);
                let limit = usize::try_from(*limit).unwrap_or(usize::MAX);
                return disk::read_bounded(path, limit).map_err(|error| in_words(&error));
            }
            Request::Look { looks } => {
                let presences: Vec<Presence> = looks.iter().map(presence).collect();
                return Ok(wire::encode_presences(&presences));
            }
            Request::Append {
                stderr,
                target,
                reopen,
                lines,
            } => {
                let text = String::from_utf8_lossy(lines);
                let lines = text.split_terminator('\n');
                let report = match target {
                    Target::File {
                        path,
                        max_bytes,
                        backups,
                    } => {
                        let log = &mut self.logs[usize::from(*stderr)];
                        append(log, path, (*max_bytes, *backups), *reopen, lines)
                    }
                    Target::Inherited => {
                        let file = &mut self.inherited[usize::from(*stderr)];
                        append_inherited(file, *stderr, lines)
                    }
                };
                return Ok(wire::encode_report(&report));
            }
            Request::RemovePidfile { path, pid, clean } => {
                let pid = Pid::new(i64::from(*pid));
                return instance::remove_pidfile(path, pid, *clean)
                    .map(|()| Vec::new())
                    .map_err(|cause| (ErrorKind::Other, cause));
            }
            Request::Stream { .. } => Ok(()),
        };
        done.map(|()| Vec::new()).map_err(|error| in_words(&error))
    }
}

fn append<'a>(
    log: &mut Option<LogFile>,
    path: &Path,
    (max_bytes, backups): (u64, u32),
    reopen: bool,
    lines: impl Iterator<Item = &'a str>,
) -> Report {
    let now = clock::now().mono;
    let log = match log {
        Some(log) if log.path() == path => {
            log.set_limits(max_bytes, backups);
            if reopen {
                log.reopen(now);
            }
            log
        }
        log => log.insert(LogFile::new(path, max_bytes, backups, now)),
    };
    for line in lines {
        log.line(now, line);
    }
    log.take_report()
}

/// stdout or stderr, and whether its last line is incomplete.
struct Inherited {
    file: File,
    torn: bool,
}

fn append_inherited<'a>(
    inherited: &mut Option<Inherited>,
    stderr: bool,
    lines: impl Iterator<Item = &'a str>,
) -> Report {
    let mut report = Report::default();
    if inherited.is_none() {
        let copy = match stderr {
            true => io::stderr().as_fd().try_clone_to_owned(),
            false => io::stdout().as_fd().try_clone_to_owned(),
        };
        *inherited = copy.ok().map(|fd| Inherited {
            file: File::from(fd),
            torn: false,
        });
    }
    for line in lines {
        let written = match inherited {
            Some(Inherited { file, torn }) => {
                put_line(file, torn, line, usize::MAX, |_| true).map_err(|cut| cut.error)
            }
            // Only a lack of descriptors leads here, and that passes.
            None => Err(ErrorKind::Other.into()),
        };
        match written {
            Ok(()) => report.works = true,
            Err(error) => report.lose(|| cause(&error)),
        }
    }
    report
}
