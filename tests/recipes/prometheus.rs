//! Tests the metrics for Prometheus by the project's own parser.

use std::collections::BTreeMap;
use std::process::Command;

use crate::common::server::*;
use crate::common::solo::{Test, skip};
use crate::common::*;
use crate::{blocks, command, output_of_tool, run_tool, tests, with};

pub(crate) const TESTS: &[Test] = tests![the_metrics_are_in_the_format_of_prometheus];

/// A program for Debian's Python that prints every metric as `name type value`.
const PARSE: &str = "\
import sys
from prometheus_client.parser import text_string_to_metric_families
for family in text_string_to_metric_families(sys.stdin.read()):
    for sample in family.samples:
        print(sample.name, family.type, sample.value)
";

fn the_metrics_are_in_the_format_of_prometheus() {
    const PYTHON: &str = "/usr/bin/python3";
    needs_command("jq");
    let has_parser = Command::new(PYTHON).args(["-c", "import prometheus_client.parser"]).output();
    if !has_parser.is_ok_and(|output| output.status.success()) {
        skip("no python3-prometheus-client");
    }
    let folder = TempDir::new();
    let pidfile = folder.join("hello.pid");
    let server = Served::start(&["-c", "7", "--pidfile", pidfile.to_str().unwrap(), "127.0.0.1:0"]);
    let clients = server.clients(3);
    // A client may have its answer before the server itself has counted the child.
    let shows_all = || run_mpserv(&["--status", pidfile.to_str().unwrap()]).stdout.contains(": 3 of 7 serving");
    wait_until("the status shows all clients", shows_all);
    let script = with(&blocks("### Prometheus")[0], "/run/hello.pid", &pidfile);
    let script = with(&script, "/var/lib/prometheus/node-exporter", &folder.0);
    let ended = run_tool(command("sh").args(["-c", &script]));
    assert!(ended.status.success() && ended.stderr.is_empty(), "{}", ended.stderr);
    let metrics = std::fs::File::open(folder.join("mpserv.prom")).unwrap();
    let parsed = output_of_tool(Command::new(PYTHON).args(["-c", PARSE]).stdin(metrics));
    let metrics: BTreeMap<&str, &str> = parsed.lines().filter_map(|line| line.split_once(' ')).collect();
    let uptime = metrics["mpserv_uptime_seconds"].strip_prefix("gauge ").unwrap();
    assert!(uptime.parse::<f64>().unwrap() >= 0.0, "{uptime}");
    for (name, value) in [
        ("children_limit", "gauge 7.0"),
        ("children_serving", "gauge 3.0"),
        ("children_idle", "gauge 0.0"),
        ("accepted_total", "counter 3.0"),
        ("refused_total", "counter 0.0"),
    ] {
        assert_eq!(metrics[&*format!("mpserv_{name}")], value, "{name}");
    }
    assert_eq!(metrics.len(), 6, "{metrics:?}");
    drop(clients);
    server.stop();
}
