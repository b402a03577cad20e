//! Completion in the three shells, asked as a user at the terminal would.

use std::path::PathBuf;

use crate::tools::{Dir, NAME, command, path_with, run, source};

/// Stands in for the program: `-P` has three services, and one more with `-f other.conf`.
const PROGRAM: &str = "#!/bin/sh
case \"$*\" in
*-P*) ;;
*) exit 1 ;;
esac
printf '[DEFAULT]\\ninterface = lo\\n\\n[daemon]\\nipv4 = true\\n\\n[www.example.com]\\ncheck_cmd = [x]\\n\\n[dns]\\n\\n[two words]\\n'
case \"$*\" in
*'-f other.conf'*) printf '\\n[other]\\n' ;;
esac
";

fn stand_in() -> Dir {
    let dir = Dir::new("completions");
    dir.script(&format!("bin/{NAME}"), PROGRAM);
    dir
}

fn script(shell: &str) -> PathBuf {
    source("contrib/completions").join(format!("{NAME}.{shell}"))
}

#[test]
fn bash() {
    run(command("shellcheck")
        .args(["-s", "bash"])
        .arg(script("bash")))
    .silent();
    let dir = stand_in();
    let ask = |words: &str| {
        let text = format!(
            "source {}; COMP_WORDS=({words}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); \
             _anycast_healthchecker; printf '%s\\n' \"${{COMPREPLY[@]}}\"",
            script("bash").display()
        );
        let path = path_with(Some(&dir.at("bin")));
        let done = run(command("bash")
            .args(["--norc", "-c", &text])
            .env("PATH", path))
        .ok();
        assert_eq!(done.err, "");
        done.out
    };
    assert_eq!(
        ask(&format!("{NAME} --drain ''")),
        "www.example.com\ndns\ntwo\\ words\n"
    );
    assert_eq!(ask(&format!("{NAME} --undrain d")), "dns\n");
    assert_eq!(ask(&format!("{NAME} -f other.conf --drain o")), "other\n");
    assert_eq!(ask(&format!("{NAME} --st")), "--status\n");
    assert!(ask(&format!("{NAME} --file /et")).contains("/etc\n"));
}

#[test]
fn fish() {
    let dir = stand_in();
    let ask = |line: &str| {
        let text = format!("source {}; complete -C '{line}'", script("fish").display());
        let done = run(command("fish")
            .args(["--no-config", "-c", &text])
            .env("PATH", path_with(Some(&dir.at("bin"))))
            .env("HOME", dir.path()))
        .ok();
        // Each line is the word, a tab and its description.
        let mut words: Vec<String> = (done.out.lines())
            .map(|line| line.split('\t').next().unwrap_or_default().to_string())
            .collect();
        words.sort();
        words
    };
    assert_eq!(
        ask(&format!("{NAME} --drain ")),
        ["dns", "two words", "www.example.com"]
    );
    assert_eq!(ask(&format!("{NAME} -f other.conf --drain o")), ["other"]);
    assert_eq!(ask(&format!("{NAME} --st")), ["--status"]);
}

/// zsh completes on a terminal only: it gets one, and each word that it is offered is written down.
#[test]
fn zsh() {
    let dir = stand_in();
    dir.write(
        &format!("functions/_{NAME}"),
        &crate::tools::read(script("zsh")),
    );
    let driver = dir.write(
        "driver.zsh",
        &format!(
            "zmodload zsh/zpty zsh/datetime\n\
             zpty shell zsh -f -i\n\
             zpty -w shell \"fpath=($1/functions \\$fpath); autoload -U compinit; compinit -u -D; unset zle_bracketed_paste\"\n\
             zpty -w shell \"compadd() {{ local -a hits; builtin compadd -O hits \\\"\\$@\\\"; print -l -- \\$hits >>$1/words; \
             builtin compadd \\\"\\$@\\\" }}\"\n\
             zpty -w shell \"exit_later() {{ print done >>$1/words; exit }}; zle -N exit_later; bindkey '^X' exit_later\"\n\
             zpty -n -w shell \"{NAME} $2\"$'\\t\\C-x'\n\
             float end=$(( EPOCHREALTIME + 20 ))\n\
             until [[ -e $1/words && $(<$1/words) == *done* ]]; do\n\
             zpty -r -t shell chunk || (( EPOCHREALTIME < end )) || {{ print -u2 timed out; exit 1 }}\n\
             done\n\
             zpty -d shell\n"
        ),
    );
    let ask = |line: &str| {
        std::fs::remove_file(dir.at("words")).unwrap_or_default();
        run(command("zsh")
            .arg("-f")
            .args([&driver, &dir.path().to_path_buf()])
            .arg(line)
            .env("PATH", path_with(Some(&dir.at("bin"))))
            .env("TERM", "dumb"))
        .ok();
        let text = crate::tools::read(dir.at("words"));
        let mut words: Vec<String> = text
            .lines()
            .filter(|line| *line != "done" && !line.is_empty())
            .map(String::from)
            .collect();
        words.sort();
        words.dedup();
        words
    };
    assert_eq!(ask("--drain "), ["dns", "two words", "www.example.com"]);
    assert_eq!(ask("-f other.conf --drain o"), ["other"]);
    assert_eq!(ask("--sta"), ["--status"]);
}
