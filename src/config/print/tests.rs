use super::*;
use crate::config::check::check;
use crate::config::complaints::Complaints;
use crate::config::fixture::probes;
use crate::config::{Config, ini, report};

fn read(text: &str) -> (Document, Option<Config>, Vec<String>) {
    let mut document = Document::built_in();
    let mut complaints = Complaints::default();
    let file = document.add_file("f");
    ini::read(text.as_bytes(), file, &mut document, &mut complaints);
    let config = check(&document, probes(), &mut complaints);
    let complaints = complaints.in_order(&document);
    (
        document,
        config,
        complaints.iter().map(report::line).collect(),
    )
}

#[test]
fn the_defaults_read_back_as_the_defaults() {
    let (document, config, complaints) = read(&defaults());
    assert_eq!(complaints, [""; 0]);
    assert_eq!(config, read("").1);
    for setting in settings::ALL {
        let view = match setting.kept {
            Kept::Daemon => document.daemon(),
            Kept::Service => document.defaults(),
        };
        let value = view
            .value(setting.key)
            .map(|value| value.unwrap().into_owned());
        assert_eq!(value.as_deref(), setting.default, "{}", setting.key);
        assert_eq!(
            view.inherited(setting.key),
            setting.default.is_none(),
            "{}",
            setting.key
        );
        assert!(defaults().contains(&format!("{} =", setting.key)));
    }
}

const SERVICE: &str = "[s]\ncheck_cmd = /bin/true\nip_prefix = 10.0.0.1\n";

#[test]
fn what_is_printed_is_read_back_to_the_same() {
    let texts = [
        String::new(),
        SERVICE.to_string(),
        "[daemon]\nsplay_startup = 3\nlog_file = /a.log\n".to_string(),
        "[DEFAULT]\nsplay_startup = 3\ncheck_interval = 7\nunknown = x\n".to_string() + SERVICE,
        SERVICE.to_string() + "custom_bird_reconfigure_cmd = echo 50%% %%(x)s %%%% %(ip_prefix)s\n",
        // A value in [DEFAULT] that has a meaning in services only.
        "[DEFAULT]\ncheck_cmd = ping %(ip_prefix)s\n[s]\nip_prefix = 10.0.0.1\n[t]\nip_prefix = 10.0.0.2\n".to_string(),
        "[DEFAULT]\nhost = a\ncheck_cmd = ping %(host)s\n[s]\nhost = b\nip_prefix = 10.0.0.1\n".to_string(),
        // Lines, blank ones among them, and one that would become a comment.
        "[s]\ncheck_cmd = /bin/true\n  a\n\n  'b\n  c' [x]\n  y = z\nip_prefix =\n  10.0.0.1\n  10.0.0.2".to_string(),
        SERVICE.to_string() + "hash = # no comment\ncustom_bird_reconfigure_cmd = x\n  %(hash)s",
        // Blanks at the ends that no line can hold.
        SERVICE.to_string() + "none =\ninterface = %(none)s lo\ncustom_bird_reconfigure_cmd = 'a\n  %(none)s b' %(none)s",
        // Names and sections with a meaning of their own.
        SERVICE.to_string() + "close = b]\n[a = %(close)s\nper%cent = 5\nalone = 5%\n%(x = y\n",
        "[a]b] c\ncheck_cmd = x\nip_prefix = 10.0.0.1\n[ x ]\ncheck_cmd = x\nip_prefix = 10.0.0.2\n".to_string(),
        SERVICE.to_string() + "maintenance_file = /run/\u{a0}x\u{2028}y\x0bz\0".trim_end_matches('\0'),
    ];
    for text in texts {
        let (document, config, _) = read(&text);
        assert!(config.is_some(), "{text}: {:?}", read(&text).2);
        let printed = configuration(&document);
        let (again, same, complaints) = read(&printed);
        assert_eq!(same, config, "{text}\n{printed}\n{complaints:?}");
        assert_eq!(configuration(&again), printed, "{text}");
        assert_eq!(json(&again), json(&document), "{text}");
    }
}

#[test]
fn reading_back_warns_of_nothing_new() {
    let text = "[DEFAULT]\nsplay_startup = 3\ncheck_interval = 7\n[daemon]\nipv6 = 1\n".to_string()
        + SERVICE;
    let (document, _, complaints) = read(&text);
    assert_eq!(complaints, [""; 0]);
    assert_eq!(read(&configuration(&document)).2, [""; 0]);
}

#[test]
fn sections_are_shown_with_default_applied() {
    let (document, _, _) =
        read("[DEFAULT]\nx = %%\n[b]\ncheck_cmd = a\n  b\nip_prefix = 10.0.0.1\ncheck_rise = 7\n");
    let printed = configuration(&document);
    let sections: Vec<&str> = printed
        .lines()
        .filter(|line| line.starts_with('['))
        .collect();
    assert_eq!(sections, ["[DEFAULT]", "[daemon]", "[b]"]);
    let b = &printed[printed.find("[b]").unwrap()..];
    assert!(
        b.starts_with(
            "[b]\ncheck_cmd = a\n\tb\nip_prefix = 10.0.0.1\ncheck_rise = 7\ninterface = lo\n"
        ),
        "{b}"
    );
    assert!(
        b.contains("\ncheck_fail = 2\n") && b.contains("\nx = %%\n"),
        "{b}"
    );
}

#[test]
fn json_is_typed() {
    let (document, _, complaints) = read(
        "[daemon]\nlog_file = /a\"\\\u{1}\u{e4}.log\n[s\"]\ncheck_cmd = a\n  b\nip_prefix = 10.0.0.1, 10.0.0.2\n\
         check_interval = 1e-1\ncheck_timeout = .1\ncheck_disabled = NO\ncheck_rise = 007\n",
    );
    assert_eq!(complaints, [""; 0]);
    let json = json(&document);
    for part in [
        "{\n  \"daemon\": {\n    \"ipv4\": true,\n",
        "    \"log_file\": \"/a\\\"\\\\\\u0001ä.log\",\n",
        "    \"splay_startup\": null,\n",
        "    \"bird_update_interval\": 0.25,\n",
        "  \"services\": {\n    \"s\\\"\": {\n",
        "      \"check_cmd\": \"a\\nb\",\n",
        "      \"ip_prefix\": [\"10.0.0.1\", \"10.0.0.2\"],\n",
        "      \"check_interval\": 0.1,\n",
        "      \"check_disabled\": false,\n",
        "      \"check_rise\": 7,\n",
    ] {
        assert!(json.contains(part), "{part}\n{json}");
    }
    assert!(super::json(&read("").0).ends_with("  },\n  \"services\": {}\n}\n"));
}
