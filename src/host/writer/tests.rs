use super::*;
use crate::host::disk::Outcome;
use crate::host::test_dir::TestDir;
use std::fs;
use std::path::Path;

/// What the writer process answers to these frames, one after the other.
fn served(frames: &[Vec<u8>]) -> Vec<Reply> {
    let (near, far) = UnixStream::pair().unwrap();
    for frame in frames {
        (&near).write_all(frame).unwrap();
    }
    near.shutdown(Shutdown::Write).unwrap();
    serve::serve(&far).unwrap();
    drop(far);
    let mut bytes = Vec::new();
    (&near).read_to_end(&mut bytes).unwrap();
    let mut replies = Vec::new();
    let mut rest = bytes.as_slice();
    while let Some((begin, content)) = rest.split_first_chunk() {
        let (kind, length) = wire::head(*begin).unwrap();
        let (content, after) = content.split_at(length);
        replies.extend(wire::decode_reply(kind, content.to_vec()));
        rest = after;
    }
    replies
}

#[test]
fn files_are_replaced_copied_and_read() {
    let dir = TestDir::new();
    let path = dir.join("list");
    let replace = |content| Request::Replace {
        path: &path,
        keep: true,
        content,
    };
    let read = Request::Read {
        path: &path,
        limit: 9,
    };
    fs::write(dir.join(".list.77.tmp"), "left behind").unwrap();
    let archive = Request::Archive {
        path: &path,
        keep: 1,
        now: crate::time::Wall::from_micros(5),
        content: b"one",
    };
    let requests = [
        read.clone(),
        replace(b"one"),
        archive,
        replace(b"two"),
        read.clone(),
        replace(b"more than nine"),
        read,
    ];
    let replies = served(&requests.map(|request| request.encode()));
    let kinds = replies
        .iter()
        .map(|reply| reply.as_ref().map_err(|(kind, _)| *kind));
    let (nothing, text) = (Vec::new(), b"two".to_vec());
    let replaced = |old: Option<&[u8]>| {
        wire::encode_outcome(&Outcome {
            old: old.map(|old| Ok(old.to_vec())),
            ..Outcome::default()
        })
    };
    // What it held is no list of prefixes.
    let damaged = |old| Outcome {
        damaged: Some(dir.join("list.damaged")),
        old: Some(Ok(old)),
        ..Outcome::default()
    };
    let first = replaced(None);
    let second = wire::encode_outcome(&damaged(b"one".to_vec()));
    let third = replaced(Some(b"two"));
    let expected = [
        Err(ErrorKind::NotFound),
        Ok(&first),
        Ok(&nothing),
        Ok(&second),
        Ok(&text),
        Ok(&third),
        Err(ErrorKind::Other),
    ];
    assert_eq!(Vec::from_iter(kinds), expected);
    assert!(!dir.join(".list.77.tmp").exists());
    assert_eq!(
        fs::read_to_string(dir.join("history/0.000005")).unwrap(),
        "one"
    );
}

#[test]
fn what_comes_in_pieces_is_put_in_place_when_it_is_complete() {
    let dir = TestDir::new();
    let path = dir.join("metrics");
    let stream = |path: &Path| Request::Stream { path }.encode();
    let (one, two) = (
        wire::frame(wire::PIECE, b"one "),
        wire::frame(wire::PIECE, b"two"),
    );
    let end = wire::frame(wire::COMMIT, b"");
    // A file that cannot be made: its pieces are taken all the same, and what comes next is served.
    let frames = [
        stream(&dir.join("none/metrics")),
        one.clone(),
        end.clone(),
        stream(&path),
        one.clone(),
        two.clone(),
        end,
        stream(&path),
        two,
        wire::frame(wire::ABORT, b""),
    ];
    let replies = served(&frames);
    assert_eq!(replies.len(), 3);
    assert!(replies[0].is_err() && replies[1].is_ok() && replies[2].is_ok());
    assert_eq!(fs::read_to_string(&path).unwrap(), "one two");
    // The daemon is gone in the middle.
    let (near, far) = UnixStream::pair().unwrap();
    (&near).write_all(&stream(&path)).unwrap();
    (&near).write_all(&one).unwrap();
    drop(near);
    assert!(serve::serve(&far).is_err());
    assert_eq!(fs::read_to_string(&path).unwrap(), "one two");
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
}

#[test]
fn lines_are_appended_and_what_is_lost_is_told() {
    let dir = TestDir::new();
    let path = dir.join("log");
    let append = |path: &Path, lines: &[u8], reopen| {
        let target = Target::File {
            path,
            max_bytes: 0,
            backups: 0,
        };
        Request::Append {
            stderr: false,
            target,
            reopen,
            lines,
        }
        .encode()
    };
    let replies = served(&[
        append(&path, b"", true),
        append(&path, b"one\ntwo\n", false),
        append(&dir.join("none/log"), b"lost\nlost\n", false),
        append(&path, b"three\n", false),
    ]);
    let reports = replies
        .into_iter()
        .map(|reply| decode_report(&reply.unwrap()).unwrap());
    let reports = Vec::from_iter(reports.map(|report| (report.lost, report.works)));
    assert_eq!(reports, [(0, false), (0, true), (2, false), (0, true)]);
    assert_eq!(fs::read_to_string(&path).unwrap(), "one\ntwo\nthree\n");
}

#[test]
fn what_is_no_request_ends_the_writer() {
    let (near, far) = UnixStream::pair().unwrap();
    (&near).write_all(&wire::frame(99, b"odd")).unwrap();
    assert!(serve::serve(&far).is_err());
}
