use super::*;

/// Expands with these other options.
fn with(options: &[(&'static str, &'static str)], raw: &'static str) -> Result<String, Trouble> {
    let lookup = |name: &str| {
        options
            .iter()
            .find(|(key, _)| *key == name)
            .map(|(_, raw)| *raw)
    };
    expand(raw, lookup).map(Cow::into_owned)
}

#[test]
fn expands_references_and_doubled_percent_signs() {
    let options = [
        ("a", "1"),
        ("b", "%(a)s2"),
        ("c", "%(B)s%%"),
        ("e", ""),
        ("x y", "z"),
        ("p", "100%%"),
        ("a)s", "no"),
    ];
    for (raw, expanded) in [
        ("", ""),
        ("plain", "plain"),
        ("%%", "%"),
        ("%%%%(a)s", "%%(a)s"),
        ("%(a)s", "1"),
        ("<%(a)s%(A)s>", "<11>"),
        ("%(b)s", "12"),
        ("%(c)s", "12%"),
        ("%(e)s", ""),
        ("%(x y)s", "z"),
        ("%(p)s", "100%"),
        ("%(a)ss", "1s"),
        ("line\n%(a)s", "line\n1"),
    ] {
        assert_eq!(with(&options, raw).as_deref(), Ok(expanded), "{raw}");
    }
}

#[test]
fn refuses_everything_else() {
    let options = [
        ("a", "1"),
        ("bad", "5%"),
        ("gone", "%(nothing)s"),
        ("self", "%(self)s"),
        ("one", "%(two)s"),
        ("two", "x%(one)s"),
    ];
    for raw in ["%", "5% x", "%s", "%d", "a%", "%%%", "%(bad)s", "% (a)s"] {
        assert_eq!(with(&options, raw), Err(Trouble::LonePercent), "{raw}");
    }
    for raw in ["%(", "%()s", "%(a)", "%(a)d", "%(a", "%(a) s"] {
        assert_eq!(
            with(&options, raw),
            Err(Trouble::Malformed(raw.to_string())),
            "{raw}"
        );
    }
    for raw in ["%(nothing)s", "%(Nothing)s", "%(gone)s"] {
        assert_eq!(
            with(&options, raw),
            Err(Trouble::Missing("nothing".to_string())),
            "{raw}"
        );
    }
    for raw in ["%(self)s", "%(one)s", "%(two)s"] {
        assert_eq!(with(&options, raw), Err(Trouble::TooDeep), "{raw}");
    }
}

#[test]
fn goes_ten_levels_deep_as_python_does() {
    // The value asked for is the first level; a last value without a percent sign is none.
    let chain: [(&str, &str); 11] = [
        ("o0", "%(o1)s"),
        ("o1", "%(o2)s"),
        ("o2", "%(o3)s"),
        ("o3", "%(o4)s"),
        ("o4", "%(o5)s"),
        ("o5", "%(o6)s"),
        ("o6", "%(o7)s"),
        ("o7", "%(o8)s"),
        ("o8", "%(o9)s"),
        ("o9", "%(o10)s"),
        ("o10", "end"),
    ];
    assert_eq!(with(&chain, "%(o1)s").as_deref(), Ok("end"));
    assert_eq!(with(&chain, "%(o0)s"), Err(Trouble::TooDeep));
}

#[test]
fn neither_time_nor_memory_explodes() {
    let laughs: [(&str, &str); 4] = [
        ("a", "%(b)s%(b)s%(b)s%(b)s%(b)s%(b)s%(b)s%(b)s%(b)s%(b)s"),
        ("b", "%(c)s%(c)s%(c)s%(c)s%(c)s%(c)s%(c)s%(c)s%(c)s%(c)s"),
        ("c", "%(d)s%(d)s%(d)s%(d)s%(d)s%(d)s%(d)s%(d)s%(d)s%(d)s"),
        ("d", ""),
    ];
    assert_eq!(with(&laughs, "%(a)s"), Err(Trouble::TooLarge));
    assert_eq!(with(&laughs, "%(b)s").as_deref(), Ok(""));
    let long: &'static str = Box::leak("x".repeat(MAX_EXPANDED / 2).into_boxed_str());
    assert_eq!(
        with(&[("a", long)], "%(a)s%(a)s").map(|v| v.len()),
        Ok(MAX_EXPANDED)
    );
    assert_eq!(with(&[("a", long)], "%(a)s%(a)s."), Err(Trouble::TooLarge));
    let longer: &'static str = Box::leak("x".repeat(MAX_EXPANDED + 1).into_boxed_str());
    assert!(with(&[], &longer[1..]).is_ok());
    assert_eq!(with(&[], longer), Err(Trouble::TooLarge));
}

#[test]
fn names_every_reference() {
    let names: Vec<String> = references("%(A)s %%(b)s %(c d)s %(e").collect();
    assert_eq!(names, ["a", "b", "c d"]);
}
