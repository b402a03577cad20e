//! Alert rules and dashboard: read by Prometheus' own checker, on metrics that exist.

use std::collections::BTreeSet;

use crate::tools::{Dir, command, read, run, source, unpacked};

const RULES: &str = "contrib/prometheus/anycast-healthchecker.rules.yml";
const RULE_TESTS: &str = "contrib/prometheus/anycast-healthchecker.test.yml";
const DASHBOARD: &str = "contrib/grafana/anycast-healthchecker.json";
const PREFIX: &str = "anycast_healthchecker_";

#[test]
fn promtool_accepts_the_rules_and_they_fire_when_they_should() {
    run(command(unpacked("promtool")).args(["check", "rules", RULES])).ok();
    run(command(unpacked("promtool")).args(["test", "rules", RULE_TESTS])).ok();
}

/// The names in the daemon's table of metrics.
fn metrics() -> BTreeSet<String> {
    let table = read(source("src/render/metrics.rs"));
    let (_, rows) = table
        .split_once("const METRICS")
        .expect("the table is there");
    let names: BTreeSet<String> = (rows.split("Metric { name: \"").skip(1))
        .map(|row| format!("{PREFIX}{}", row.split('"').next().expect("a name ends")))
        .collect();
    assert!(names.len() > 20, "only {} metrics found", names.len());
    names
}

/// Every word of a text that looks like one of our metrics.
fn used(text: &str) -> BTreeSet<String> {
    text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
        // The name of the file is no metric.
        .filter(|word| word.len() > PREFIX.len() && word.starts_with(PREFIX))
        .map(String::from)
        .collect()
}

#[test]
fn every_metric_that_is_used_exists() {
    let metrics = metrics();
    for file in [RULES, RULE_TESTS, DASHBOARD] {
        let unknown: Vec<String> = used(&read(source(file)))
            .difference(&metrics)
            .cloned()
            .collect();
        assert!(unknown.is_empty(), "{file} uses {unknown:?}");
    }
}

/// What the daemon counts is seen by somebody: the dashboard leaves nothing out.
#[test]
fn the_dashboard_shows_every_metric() {
    let shown = used(&read(source(DASHBOARD)));
    let hidden: Vec<String> = metrics().difference(&shown).cloned().collect();
    // When a counter came into being says nothing that the counter does not.
    assert_eq!(hidden, [format!("{PREFIX}service_check_timeout_created")]);
}

/// Prints each query of the dashboard, with values for its variables, as a recording rule; fails on bad JSON, on panels
/// that overlap or have the same id, and on a data source that is not the variable.
const QUERIES: &str = r#"
import json, re, sys
board = json.load(open(sys.argv[1]))
names = {v["name"] for v in board["templating"]["list"]}
ids, taken, out = set(), {}, []
for panel in board["panels"]:
    assert panel["id"] not in ids, panel["title"]
    ids.add(panel["id"])
    at = panel["gridPos"]
    assert at["x"] + at["w"] <= 24, panel["title"]
    for x in range(at["x"], at["x"] + at["w"]):
        for y in range(at["y"], at["y"] + at["h"]):
            assert (x, y) not in taken, (panel["title"], taken[x, y])
            taken[x, y] = panel["title"]
    if panel["type"] == "row":
        continue
    assert panel["targets"], panel["title"]
    for target in panel["targets"]:
        assert target["datasource"]["uid"] == "${datasource}", panel["title"]
        out.append(target["expr"])
out += [a["expr"] for a in board["annotations"]["list"]]
print("groups:\n- name: dashboard\n  rules:")
for number, query in enumerate(out):
    query = query.replace("$__rate_interval", "5m")
    for name in re.findall(r"\$(\w+)", query):
        assert name in names, name
    query = re.sub(r"\$\w+", ".*", query)
    print(f"  - record: query:{number}\n    expr: {json.dumps(query)}")
"#;

#[test]
fn the_dashboard_is_whole_and_prometheus_accepts_its_queries() {
    let dir = Dir::new("grafana");
    let rules = run(command("python3").args(["-c", QUERIES, DASHBOARD]))
        .ok()
        .out;
    assert!(rules.matches("record:").count() > 30, "{rules}");
    let file = dir.write("rules.yml", &rules);
    run(command(unpacked("promtool"))
        .args(["check", "rules"])
        .arg(file))
    .ok();
}
