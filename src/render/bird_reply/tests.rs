use super::*;

/// What the socket says in answer to one `configure`, and what that means.
#[rustfmt::skip]
fn transcripts() -> Vec<(&'static str, Result<Accepted, Refusal>)> {
    let said = |text: &str| Err(Refusal::Said(text.to_string()));
    vec![
        ("0001 BIRD 2.0.12 ready.\n0002-Reading configuration from LAB/a.conf\n0003 Reconfigured\n",
         Ok(Accepted::Reconfigured)),
        ("0001 BIRD 1.6.8 ready.\r\n0002-Reading configuration from LAB/a.conf\r\n0003 Reconfigured\r\n",
         Ok(Accepted::Reconfigured)),
        ("0001 BIRD 3.3.2 ready.\n0002-Reading configuration from LAB/a.conf\n0004 Reconfiguration in progress\n",
         Ok(Accepted::InProgress)),
        ("0001 BIRD 3.1.7 ready.\n0002-Reading configuration from node.conf\n0003 Reconfigured\n",
         Ok(Accepted::Reconfigured)),
        ("0001 BIRD 3.1.7 ready.\n0002-Reading configuration from node.conf\n0004 Reconfiguration in progress\n",
         Ok(Accepted::InProgress)),
        ("0001 BIRD 3.1.7 ready.\n0002-Reading configuration from node.conf\n0005 Reconfiguration already in progress, queueing new config\n",
         Ok(Accepted::Queued)),
        ("0001 BIRD 3.1.7 ready.\n0002-Reading configuration from node.conf\n8002 ./4/prefixes.conf:1:50 syntax error, unexpected ';', expecting IP4 or IP6\n",
         said("./4/prefixes.conf:1:50 syntax error, unexpected ';', expecting IP4 or IP6")),
        ("0001 BIRD 3.1.7 ready.\n0002-Reading configuration from node.conf\n8002 node.conf:3:10 Unable to open included file ./4/prefixes.conf: No such file or directory\n",
         said("node.conf:3:10 Unable to open included file ./4/prefixes.conf: No such file or directory")),
        ("0001 BIRD 3.1.7 ready.\n8007 Access denied\n", said("Access denied")),
        ("0001 BIRD 2.0.12 ready.\n0002-Reading configuration from LAB/a.conf\n0005 Reconfiguration already in progress, queueing new config\n",
         Ok(Accepted::Queued)),
        ("0001 BIRD 2.0.12 ready.\n0002-Reading configuration from LAB/a.conf\n0006 Reconfiguration ignored, shutting down\n",
         said("Reconfiguration ignored, shutting down")),
        ("0001 BIRD 2.0.12 ready.\n0002-Reading configuration from LAB/a.conf\n8002 LAB/acast4.conf:1:31 syntax error, unexpected ';', expecting IP4 or IP6\n",
         said("LAB/acast4.conf:1:31 syntax error, unexpected ';', expecting IP4 or IP6")),
        ("0001 BIRD 2.0.12 ready.\n8007 Access denied\n", said("Access denied")),
        ("0001 BIRD 2.0.12 ready.\n9001 syntax error, unexpected CF_SYM_UNDEFINED\n",
         said("syntax error, unexpected CF_SYM_UNDEFINED")),
        // A path too long for a line of BIRD's: an error in front of a success.
        ("0001 BIRD 2.0.12 ready.\n8000-<line overflow>\n0003 Reconfigured\n", Ok(Accepted::Reconfigured)),
        ("0001 BIRD 2.0.12 ready.\n8000 <line overflow>\n", said("<line overflow>")),
        // Asynchronous lines belong to nobody's reply.
        ("0001 BIRD 2.0.12 ready.\n+Reconfiguring\n0002-Reading configuration from a\n+0003 Reconfigured\n8002 a:1:1 broken\n",
         said("a:1:1 broken")),
        // A continuation without a code has the code of the line before.
        ("0001 BIRD 2.0.12 ready.\n0002-Reading configuration from a\n and from b\n0021-Undo requested\n more words\n0019 Nothing to do\n",
         said("Undo requested; more words; Nothing to do")),
        ("0001 BIRD 2.0.12 ready.\n0000 \n", said("code 0000")),
        ("0001 BIRD 2.0.12 ready.\n0000\n", said("code 0000")),
        ("0001 BIRD 2.0.12 ready.\n0020 Configuration OK\n", said("Configuration OK")),
        ("0001 BIRD 2.0.12 ready.\n0018 Reconfiguration confirmed\n", said("Reconfiguration confirmed")),
        ("0001 BIRD 2.0.12 ready.\n8002 caf\u{e9}\x1b[2J\n", said("caf\u{e9}\\x1b[2J")),
    ]
}

#[test]
fn replies_are_judged_by_their_last_line() {
    for (text, verdict) in transcripts() {
        let mut reader = ReplyReader::new();
        assert_eq!(reader.feed(text.as_bytes()), Some(verdict), "{text}");
    }
}

#[test]
fn the_pieces_in_which_a_reply_arrives_change_nothing() {
    for (text, verdict) in transcripts() {
        let bytes = text.as_bytes();
        for cut in 0..bytes.len() {
            let mut reader = ReplyReader::new();
            assert_eq!(reader.feed(&bytes[..cut]), None, "{text} at {cut}");
            assert_eq!(
                reader.feed(&bytes[cut..]),
                Some(verdict.clone()),
                "{text} at {cut}"
            );
        }
        let mut reader = ReplyReader::new();
        let verdicts: Vec<_> = bytes.iter().filter_map(|b| reader.feed(&[*b])).collect();
        assert_eq!(verdicts, [verdict]);
    }
}

#[test]
fn the_greeting_is_not_the_reply() {
    let mut reader = ReplyReader::new();
    assert_eq!(reader.feed(b"0001 BIRD 2.19.2 ready.\n"), None);
}

#[test]
fn what_is_not_bird_is_recognised() {
    for text in [
        "{\"version\":\"1.0.0\"}\n",
        "220 mail.example ESMTP\n",
        "\n",
        "0003Reconfigured\n",
        "+\n\0\n",
        "\u{e9}\u{e9}\u{e9} Reconfigured\n",
    ] {
        let verdict = ReplyReader::new().feed(text.as_bytes());
        assert!(
            matches!(&verdict, Some(Err(Refusal::Unreachable(why))) if why.contains("not BIRD")),
            "{text:?}: {verdict:?}"
        );
    }
}

#[test]
fn memory_is_bounded_and_long_lines_still_count() {
    let mut reader = ReplyReader::new();
    for _ in 0..1000 {
        assert_eq!(reader.feed(&[b'x'; 1000]), None);
    }
    assert!(reader.line.len() <= LINE_MAX);
    let mut reader = ReplyReader::new();
    for _ in 0..1000 {
        assert_eq!(reader.feed(b"1000-words and words\n more\n"), None);
    }
    assert!(reader.quote.text.len() <= QUOTE_MAX + 4);
    let mut long = b"8002 ".to_vec();
    long.extend("ü".repeat(2000).bytes());
    long.push(b'\n');
    let Some(Err(Refusal::Said(said))) = reader.feed(&long) else {
        panic!("no refusal");
    };
    assert!(said.len() <= QUOTE_MAX + 4 && said.ends_with('…'));
    // As much as is quoted, and not a byte more.
    let whole = "z".repeat(QUOTE_MAX);
    let reply = format!("8002-{whole}\n8002 more\n");
    let said = ReplyReader::new().feed(reply.as_bytes());
    assert_eq!(said, Some(Err(Refusal::Said(whole))));
    let mut reader = ReplyReader::new();
    let long = format!("0003 {}\n", "y".repeat(5000));
    assert_eq!(
        reader.feed(long.as_bytes()),
        Some(Ok(Accepted::Reconfigured))
    );
}

fn captured(text: &str) -> Captured {
    Captured {
        bytes: text.as_bytes().to_vec(),
        dropped: 0,
    }
}

fn judge(stdout: &str, stderr: &str, status: u8) -> Result<Accepted, Refusal> {
    judge_output(&captured(stdout), &captured(stderr), Ended::Exit(status))
}

const READY: &str = "BIRD 2.0.12 ready.\nReading configuration from /etc/bird/bird.conf\n";

#[test]
fn commands_that_say_so_have_succeeded() {
    use Accepted::{InProgress, Queued, Reconfigured};
    let queued = "Reconfiguration already in progress, queueing new config";
    for (stdout, accepted) in [
        (format!("{READY}Reconfigured\n"), Reconfigured),
        (format!("{READY}Reconfigured"), Reconfigured),
        (format!("{READY}Reconfigured\r\n\n  \n"), Reconfigured),
        (format!("{READY}Reconfiguration in progress\n"), InProgress),
        (format!("{READY}{queued}\n"), Queued),
        ("Reconfigured\n".to_string(), Reconfigured),
        // birdc -v prints codes.
        (
            "0001 BIRD 2.0.12 ready.\n0002-Reading configuration from a\n0003 Reconfigured\n"
                .to_string(),
            Reconfigured,
        ),
        (
            "0001 BIRD 2.0.12 ready.\n0002-Reading configuration from a\n0004 Anything\n"
                .to_string(),
            InProgress,
        ),
        (
            "8000-<line overflow>\n0003 Reconfigured\n".to_string(),
            Reconfigured,
        ),
        // Both families in one command, and a wrapper that has a last word.
        (
            format!("{READY}Reconfigured\n{READY}Reconfigured\n"),
            Reconfigured,
        ),
        (
            format!("going to work\n{READY}Reconfigured\ndone\n"),
            Reconfigured,
        ),
    ] {
        assert_eq!(judge(&stdout, "", 0), Ok(accepted), "{stdout}");
        // Warnings of ssh or sudo change nothing, nor does a redirection.
        assert_eq!(
            judge(&stdout, "sudo: unable to resolve host x\n", 0),
            Ok(accepted)
        );
        assert_eq!(judge("", &stdout, 0), Ok(accepted), "{stdout}");
        // But the status does.
        assert!(judge(&stdout, "", 1).is_err());
    }
}

#[rustfmt::skip]
#[test]
fn commands_that_do_not_have_failed_with_bird_quoted() {
    let syntax = "/etc/bird/x.conf:1:31 syntax error, unexpected ';'";
    let down = "Unable to connect to server control socket (/run/bird/bird.ctl): No such file or directory";
    for (stdout, stderr, status, said) in [
        // BIRD 1.6 ends with 0 after an error; since 2.0.10 it is 1.
        (format!("{READY}{syntax}\n"), "", 0, syntax),
        (format!("{READY}{syntax}\n"), "", 1, syntax),
        (format!("{READY}Reconfiguration ignored, shutting down\n"), "", 0, "Reconfiguration ignored, shutting down"),
        ("BIRD 1.6.8 ready.\nAccess restricted\nAccess denied\n".to_string(), "", 0, "Access restricted; Access denied"),
        (format!("{READY}Reconfiguration confirmed\n"), "", 0, "Reconfiguration confirmed"),
        // Two of them in one command, and the status is that of the first.
        (format!("{READY}Reconfigured\n{down}\n"), "", 0, &format!("Reconfigured; {down}")),
        ("BIRD 2.0.12 ready.\nNo such command. Press `?' for help.\n".to_string(), "", 1, "No such command. Press `?' for help."),
        (String::new(), down, 1, down),
        (String::new(), "", 0, ""),
        (READY.to_string(), "", 0, ""),
        // Only a line of its own counts.
        ("Reconfigured by hand\n".to_string(), "", 0, "Reconfigured by hand"),
        ("not Reconfigured\n".to_string(), "", 0, "not Reconfigured"),
        // Four digits, and the last line of a reply.
        ("+003 Reconfigured\n".to_string(), "", 0, "+003 Reconfigured"),
        ("0003-Reconfigured\n".to_string(), "", 0, "Reconfigured"),
        // The second BIRD refused.
        (format!("{READY}Reconfigured\n{READY}{syntax}\n"), "", 0, "Reconfigured; /etc/bird/x.conf:1:31 syntax error, unexpected ';'"),
        ("0001 BIRD 2.0.12 ready.\n0002-Reading configuration from a\n8002 a:1:1 broken\n" .to_string(), "", 0, "a:1:1 broken"),
        ("0003-Reconfigured\n8002 a:1:1 broken\n".to_string(), "", 0, "Reconfigured; a:1:1 broken"),
    ] {
        let ended = Ended::Exit(status);
        let said = said.to_string();
        assert_eq!(
            judge(&stdout, stderr, status),
            Err(Refusal::Command { ended, said }),
            "{stdout}"
        );
    }
    let ended = Ended::Signal(9);
    let verdict = judge_output(&captured("Reconfigured\n"), &captured(""), ended);
    assert!(matches!(
        verdict,
        Err(Refusal::Command {
            ended: Ended::Signal(9),
            ..
        })
    ));
}

#[test]
fn output_need_not_be_text() {
    let stdout = Captured {
        bytes: b"\xff\xfe\0\x1b[2J\nReconfigured\n".to_vec(),
        dropped: 7,
    };
    let none = Captured::default();
    assert_eq!(
        judge_output(&stdout, &none, Ended::Exit(0)),
        Ok(Accepted::Reconfigured)
    );
    let Err(Refusal::Command { said, .. }) = judge_output(&stdout, &none, Ended::Exit(1)) else {
        panic!("accepted");
    };
    assert!(!said.chars().any(char::is_control));
}

/// Of what is too long to be kept only the end says what BIRD made of it.
#[test]
fn the_end_of_a_long_output_counts() {
    let long = |head: &str, tail: &str| Captured {
        bytes: [head.as_bytes(), Captured::GAP, tail.as_bytes()].concat(),
        dropped: 7,
    };
    let (none, good) = (Captured::default(), captured("Reconfigured\n"));
    let judge =
        |stdout: &Captured, stderr: &Captured| judge_output(stdout, stderr, Ended::Exit(0)).is_ok();
    assert!(judge(&long("noise", "noise\nReconfigured\n"), &none));
    assert!(!judge(&long("Reconfigured\n", "noise\n"), &none));
    assert!(
        !judge(&long("noise", "Reconfigured\n"), &none),
        "half a line"
    );
    assert!(judge(&good, &long("set -x", "noise\n")), "the other stream");
    let whole = captured("Reconfigured\n[...] is no gap\n");
    assert!(judge(&whole, &none), "nothing was dropped");
    let said = judge_output(
        &long("noise", "noise\nsyntax error\n"),
        &none,
        Ended::Exit(1),
    );
    assert!(matches!(said, Err(Refusal::Command { said, .. }) if said.ends_with("syntax error")));
}

#[test]
fn versions() {
    for (greeting, version) in [
        ("0001 BIRD 2.0.12 ready.", Some("2.0.12")),
        ("BIRD 1.6.8 ready.\n", Some("1.6.8")),
        ("BIRD v2.19.2-3-gabc ready.", Some("v2.19.2-3-gabc")),
        (
            &format!("BIRD {} ready.", "3".repeat(32)),
            Some(&*"3".repeat(32)),
        ),
        (&format!("BIRD {} ready.", "3".repeat(33)), None),
        ("BIRD  ready.", None),
        ("BIRD 2 0 ready.", None),
        ("bird 2.0 ready.", None),
        ("", None),
    ] {
        assert_eq!(parse_version(greeting).as_deref(), version);
    }
}

#[test]
fn what_is_not_bird_is_quoted() {
    let verdict = ReplyReader::new().feed(b"220 mail.example\x1b[m\n");
    let why = "what answers there is not BIRD: \"220 mail.example\\\\x1b[m\"";
    assert_eq!(verdict, Some(Err(Refusal::Unreachable(why.to_string()))));
}
